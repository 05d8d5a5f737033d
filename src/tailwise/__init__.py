"""Losses, schedules and corrections for imbalanced and long-tailed classification."""

from tailwise.counts import ClassCounts, ShotGroups
from tailwise.losses import (
    AsymmetricLoss,
    BaGMarLoss,
    BalancedSoftmaxLoss,
    ComboLoss,
    CRILoss,
    CrossEntropyLoss,
    CyclicalFocalLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    GALALoss,
    GPPELoss,
    HybridFocalLoss,
    LabelAwareSmoothingLoss,
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
    "ComboLoss",
    "CrossEntropyLoss",
    "CyclicalFocalLoss",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GALALoss",
    "GPPELoss",
    "HybridFocalLoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LogitAdjustedLoss",
    "SGPLLoss",
    "ShotGroups",
    "build_loss",
]
