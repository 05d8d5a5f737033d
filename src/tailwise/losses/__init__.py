"""Losses for imbalanced classification, each a drop-in for ``torch.nn.CrossEntropyLoss``."""

from tailwise.losses._base import ClassificationLoss, LossOptions
from tailwise.losses._registry import LOSSES, LossEntry, build_loss, find_loss
from tailwise.losses.asymmetric import AsymmetricLoss
from tailwise.losses.balanced_softmax import BalancedSoftmaxLoss
from tailwise.losses.combo import ComboLoss
from tailwise.losses.cri import CRILoss
from tailwise.losses.cross_entropy import CrossEntropyLoss
from tailwise.losses.cyclical_focal import CyclicalFocalLoss
from tailwise.losses.dice import DiceLoss
from tailwise.losses.focal import FocalLoss
from tailwise.losses.focal_tversky import FocalTverskyLoss
from tailwise.losses.gala import BaGMarLoss, GALALoss
from tailwise.losses.gppe import GPPELoss
from tailwise.losses.hybrid_focal import HybridFocalLoss
from tailwise.losses.label_aware_smoothing import LabelAwareSmoothingLoss
from tailwise.losses.ldam import LDAMLoss
from tailwise.losses.linear import linear_loss
from tailwise.losses.logit_adjusted import LogitAdjustedLoss
from tailwise.losses.sgpl import SGPLLoss

__all__ = [
    "LOSSES",
    "AsymmetricLoss",
    "BaGMarLoss",
    "BalancedSoftmaxLoss",
    "CRILoss",
    "ClassificationLoss",
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
    "LossEntry",
    "LossOptions",
    "SGPLLoss",
    "build_loss",
    "find_loss",
    "linear_loss",
]
