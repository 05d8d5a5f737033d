"""Class-wise calibration error against the sums written out, and torchmetrics' binary one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_calibration_error

from metric_cases import CLASSES, PROBLEMS, every_problem, random_problem, value_of
from tailwise.metrics import ClasswiseCalibrationError


def softmax(logits: Any) -> Any:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def expected_error(probabilities: Any, hits: Any, bins: int) -> float:
    """Share of the samples in a bin times the gap of its averages, bin by bin."""
    edges = np.linspace(0, 1, bins + 1)
    error = 0.0
    for index, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (probabilities >= low) & ((probabilities < high) | (index == bins - 1))
        if inside.any():
            error += inside.mean() * abs(probabilities[inside].mean() - hits[inside].mean())
    return error


@every_problem
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_it_is_the_gap_of_each_class_by_the_sums_written_out(logits: Any, target: Any, bins: int) -> None:
    probabilities = softmax(logits)
    errors = value_of(ClasswiseCalibrationError(CLASSES, bins, per_class=True), logits, target)
    expected = [
        expected_error(probabilities[:, c], target == c, bins) if c in target else np.nan for c in range(CLASSES)
    ]
    assert errors.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", ["balanced", "long-tailed"])
def test_it_is_the_mean_of_the_binary_errors_of_torchmetrics(name: str) -> None:
    logits, target = PROBLEMS[name]
    expected = [
        binary_calibration_error(torch.tensor(probabilities), torch.tensor(target == c).long(), n_bins=15).item()
        for c, probabilities in enumerate(softmax(logits).T.copy())
    ]
    value = value_of(ClasswiseCalibrationError(CLASSES), logits, target)
    assert value == pytest.approx(np.mean(expected), abs=1e-6)


def test_probabilities_on_an_edge_belong_to_the_bin_above_and_one_to_the_last() -> None:
    """Split at 1/2, the gaps of class 0 are -1/4 below it and 1/2 - 1 + 1 - 1 at and above it."""
    metric = ClasswiseCalibrationError(2, bins=2, per_class=True, from_logits=False)
    metric.update(torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]]), torch.tensor([1, 0, 1]))
    assert metric.compute()[0].item() == pytest.approx((0.25 + 0.5) / 3)


def test_true_class_probabilities_have_no_error_on_average() -> None:
    """Labels drawn from the predicted probabilities: what is left is the noise of 200 000 draws over the bins."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200_000, 4, generator=generator)
    target = torch.multinomial(logits.softmax(dim=1), 1, generator=generator).squeeze(1)
    assert ClasswiseCalibrationError(4)(logits, target) < 0.005
    assert ClasswiseCalibrationError(4)(3 * logits, target) > 0.05


def test_constant_prediction_of_the_class_frequencies_has_no_error() -> None:
    _, target = random_problem(CLASSES, power=2.0)
    frequencies = np.bincount(target) / len(target)
    metric = ClasswiseCalibrationError(CLASSES, from_logits=False)
    assert value_of(metric, np.tile(frequencies, (len(target), 1)), target) == pytest.approx(0, abs=1e-9)
