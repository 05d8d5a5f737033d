"""Corrections of a trained classifier's logits, in scikit-learn's shape."""

from tailwise.posthoc._base import PosthocCorrection, ValidatedCorrection
from tailwise.posthoc._registry import POSTHOC, build_posthoc, find_posthoc, posthoc_arguments
from tailwise.posthoc.costs import CostSensitiveDecision
from tailwise.posthoc.logit_adjustment import LogitAdjustment
from tailwise.posthoc.prior_shift import PriorShift
from tailwise.posthoc.rebalancing import PredictionRebalancing
from tailwise.posthoc.search import TAUS, search_tau
from tailwise.posthoc.tau_normalization import TauNormalization
from tailwise.posthoc.temperature import TemperatureScaling
from tailwise.posthoc.thresholds import ClassThresholds

__all__ = [
    "POSTHOC",
    "TAUS",
    "ClassThresholds",
    "CostSensitiveDecision",
    "LogitAdjustment",
    "PosthocCorrection",
    "PredictionRebalancing",
    "PriorShift",
    "TauNormalization",
    "TemperatureScaling",
    "ValidatedCorrection",
    "build_posthoc",
    "find_posthoc",
    "posthoc_arguments",
    "search_tau",
]
