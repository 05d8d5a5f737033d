"""The search for tau against what is best on a test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from posthoc.gaussians import gaussian_problem, long_tailed
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment, PredictionRebalancing, build_posthoc, search_tau


@pytest.mark.parametrize("name", ["rebalance", "logit-adjustment"])
def test_tau_found_on_a_long_tailed_validation_set_is_good_on_a_balanced_test_set(name: str) -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts, samples=30_000)
    validation, labels = long_tailed(logits, target, [9000, 900, 300])

    def accuracy(tau: float) -> float:
        corrected = build_posthoc(name, counts, tau=tau).transform(logits)
        return classification_report(corrected, target, counts)["balanced_accuracy"]

    for given in ((validation, labels), (torch.tensor(validation), torch.tensor(labels))):
        tau = search_tau(*given, lambda tau: build_posthoc(name, counts, tau=tau))
        assert accuracy(tau) > max(accuracy(step / 5) for step in range(16)) - 0.01
    assert accuracy(tau) > accuracy(0.0) + 0.05


@pytest.mark.parametrize("name", ["rebalance", "logit-adjustment"])
def test_class_without_a_validation_sample_does_not_pull_tau_down(name: str) -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts, samples=30_000)
    scores, labels = long_tailed(logits, target, [9000, 900, 0])
    found = search_tau(scores, labels, lambda tau: build_posthoc(name, counts, tau=tau))
    of_two_classes = search_tau(scores[:, :2], labels, lambda tau: build_posthoc(name, counts[:2], tau=tau))
    assert found == pytest.approx(of_two_classes, abs=0.11)


def test_classifier_that_is_right_already_is_not_corrected() -> None:
    logits, target = np.eye(3)[[0, 0, 1, 2]] * 50, np.array([0, 0, 1, 2])
    assert search_tau(logits, target, PredictionRebalancing) == 0.0


def test_middle_of_equally_good_taus_is_taken() -> None:
    logits, target = np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([0, 1])  # right where 1 < tau * log 3 < 2
    taus = [0.0, 0.5, 1.0, 1.2, 1.4, 1.7, 2.0]
    assert search_tau(logits, target, lambda tau: LogitAdjustment([3, 1], tau), taus) == 1.2
    assert search_tau(logits, target, lambda tau: LogitAdjustment([3, 1], tau), taus[3:]) == 1.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: search_tau(np.zeros((2, 2)), np.zeros(3, int), PredictionRebalancing), "a search needs logits"),
        (lambda: search_tau(np.zeros((1, 2)), np.zeros(1, int), PredictionRebalancing, []), "at least one tau"),
        (lambda: search_tau(np.zeros((1, 2)), np.array([2]), PredictionRebalancing), "target 2 is out of range for 2"),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
