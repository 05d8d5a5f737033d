"""Losses, schedules and corrections for imbalanced and long-tailed classification."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from tailwise.integrations.sklearn import TailwiseClassifier
    from tailwise.prediction.predictor import load

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
    "TailwiseClassifier",
    "build_loss",
    "load",
]

# Of the application half, which losses in a training loop of one's own need not wait for.
_IMPORTED_WHEN_USED = {
    "TailwiseClassifier": "tailwise.integrations.sklearn",
    "load": "tailwise.prediction.predictor",
}


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_IMPORTED_WHEN_USED[name]), name)
