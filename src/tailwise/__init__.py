"""Losses, schedules and corrections for imbalanced and long-tailed classification."""

from tailwise.counts import ClassCounts, ShotGroups
from tailwise.losses import (
    AsymmetricLoss,
    BalancedSoftmaxLoss,
    CrossEntropyLoss,
    FocalLoss,
    GPPELoss,
    LogitAdjustedLoss,
    SGPLLoss,
    build_loss,
)

__version__ = "0.1.0"

__all__ = [
    "AsymmetricLoss",
    "BalancedSoftmaxLoss",
    "ClassCounts",
    "CrossEntropyLoss",
    "FocalLoss",
    "GPPELoss",
    "LogitAdjustedLoss",
    "SGPLLoss",
    "ShotGroups",
    "build_loss",
]
