"""Mixing: new training samples between two, with labels between theirs."""

from tailwise.mixing._balanced_mixup import balanced_mixup
from tailwise.mixing._cmo import cmo
from tailwise.mixing._cutmix import cutmix
from tailwise.mixing._mixup import mixup
from tailwise.mixing._phased_mixup import phased_mixup
from tailwise.mixing._remix import remix

__all__ = ["balanced_mixup", "cmo", "cutmix", "mixup", "phased_mixup", "remix"]
