"""The bins of the reliability diagram: those of the library's ECE."""

from __future__ import annotations

import numpy as np
import pytest

from tailwise.metrics import classification_report
from tailwise.report.calibration import BINS, reliability_bins


def test_calibration_error_of_the_bins_is_that_of_the_report() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 5, 800)
    logits = 2 * rng.normal(size=(800, 5)) + np.eye(5)[targets]
    bins = reliability_bins(logits, targets)
    error = np.abs(bins.correct - bins.confidence).sum() / bins.samples.sum()
    assert error == pytest.approx(classification_report(logits, targets, [9, 8, 7, 6, 5])["ece"], abs=1e-6)


def test_certain_predictions_are_in_the_last_bin() -> None:
    logits, targets = np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0])
    bins = reliability_bins(logits, targets)
    assert bins.samples.tolist() == [0] * (BINS - 1) + [2]
    assert (bins.confidence[-1], bins.correct[-1]) == (2, 1)


def test_bins_of_two_test_sets_are_those_of_both_together() -> None:
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    parts = reliability_bins(logits[:20], targets[:20]) + reliability_bins(logits[20:], targets[20:])
    whole = reliability_bins(logits, targets)
    assert parts.samples.tolist() == whole.samples.tolist()
    assert parts.confidence == pytest.approx(whole.confidence)
