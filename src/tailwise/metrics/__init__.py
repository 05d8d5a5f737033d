"""Metrics for imbalanced test sets: torchmetrics ``Metric`` classes, and the one report dictionary."""

from tailwise.metrics._base import ClassificationMetric, ScoreMetric
from tailwise.metrics._ranking import RankingMetric
from tailwise.metrics._recall import RecallMetric
from tailwise.metrics.auroc import MacroAUROC
from tailwise.metrics.average_precision import MacroAveragePrecision
from tailwise.metrics.balanced_accuracy import BalancedAccuracy
from tailwise.metrics.classwise_calibration import ClasswiseCalibrationError
from tailwise.metrics.geometric_mean import GeometricMean
from tailwise.metrics.report import classification_report, decision_report
from tailwise.metrics.shot_accuracy import ShotAccuracy
from tailwise.metrics.worst_class_recall import WorstClassRecall

__all__ = [
    "BalancedAccuracy",
    "ClassificationMetric",
    "ClasswiseCalibrationError",
    "GeometricMean",
    "MacroAUROC",
    "MacroAveragePrecision",
    "RankingMetric",
    "RecallMetric",
    "ScoreMetric",
    "ShotAccuracy",
    "WorstClassRecall",
    "classification_report",
    "decision_report",
]
