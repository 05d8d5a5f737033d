"""Metrics for imbalanced test sets."""

from tailwise.metrics.report import classification_report

__all__ = ["classification_report"]
