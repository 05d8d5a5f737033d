"""Losses, schedules and corrections for imbalanced and long-tailed classification."""

from tailwise.counts import ClassCounts, ShotGroups
from tailwise.losses import (
    AsymmetricLoss,
    BaGMarLoss,
    BalancedSoftmaxLoss,
    CRILoss,
    CrossEntropyLoss,
    FocalLoss,
    GALALoss,
    GPPELoss,
    LDAMLoss,
    LogitAdjustedLoss,
    SGPLLoss,
    build_loss,
)

__version__ = "0.1.0"

__all__ = [
    "AsymmetricLoss",
    "BaGMarLoss",
    "BalancedSoftmaxLoss",
    "CRILoss",
    "ClassCounts",
    "CrossEntropyLoss",
    "FocalLoss",
    "GALALoss",
    "GPPELoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "SGPLLoss",
    "ShotGroups",
    "build_loss",
]
