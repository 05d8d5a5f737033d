"""Losses for imbalanced classification, each a drop-in for ``torch.nn.CrossEntropyLoss``."""

from tailwise.losses._base import ClassificationLoss, LossOptions
from tailwise.losses._registry import LOSSES, LossEntry, build_loss, find_loss
from tailwise.losses.asymmetric import AsymmetricLoss
from tailwise.losses.asymmetric_multi_label import MultiLabelAsymmetricLoss
from tailwise.losses.balanced_contrastive import BalancedContrastiveLoss
from tailwise.losses.balanced_softmax import BalancedSoftmaxLoss
from tailwise.losses.combo import ComboLoss
from tailwise.losses.cri import CRILoss
from tailwise.losses.cross_entropy import CrossEntropyLoss
from tailwise.losses.cyclical_focal import CyclicalFocalLoss
from tailwise.losses.dice import DiceLoss
from tailwise.losses.equalization import EqualizationLoss
from tailwise.losses.equalized_focal import EqualizedFocalLoss
from tailwise.losses.focal import FocalLoss
from tailwise.losses.focal_tversky import FocalTverskyLoss
from tailwise.losses.gala import BaGMarLoss, GALALoss
from tailwise.losses.gppe import GPPELoss
from tailwise.losses.hybrid_focal import HybridFocalLoss
from tailwise.losses.influence_balanced import InfluenceBalancedLoss
from tailwise.losses.label_aware_smoothing import LabelAwareSmoothingLoss
from tailwise.losses.label_over_smoothing import LabelOverSmoothingLoss
from tailwise.losses.lade import LADELoss
from tailwise.losses.ldam import LDAMLoss
from tailwise.losses.linear import linear_loss
from tailwise.losses.logit_adjusted import LogitAdjustedLoss
from tailwise.losses.multi_expert import MultiExpertLoss
from tailwise.losses.poly import PolyLoss
from tailwise.losses.seesaw import SeesawLoss
from tailwise.losses.sgpl import SGPLLoss
from tailwise.losses.vs import VSLoss

__all__ = [
    "LOSSES",
    "AsymmetricLoss",
    "BaGMarLoss",
    "BalancedContrastiveLoss",
    "BalancedSoftmaxLoss",
    "CRILoss",
    "ClassificationLoss",
    "ComboLoss",
    "CrossEntropyLoss",
    "CyclicalFocalLoss",
    "DiceLoss",
    "EqualizationLoss",
    "EqualizedFocalLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GALALoss",
    "GPPELoss",
    "HybridFocalLoss",
    "InfluenceBalancedLoss",
    "LADELoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LabelOverSmoothingLoss",
    "LogitAdjustedLoss",
    "LossEntry",
    "LossOptions",
    "MultiExpertLoss",
    "MultiLabelAsymmetricLoss",
    "PolyLoss",
    "SGPLLoss",
    "SeesawLoss",
    "VSLoss",
    "build_loss",
    "find_loss",
    "linear_loss",
]
