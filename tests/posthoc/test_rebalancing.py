"""Prediction re-balancing against golden cases and what theory promises of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conftest import golden
from posthoc.gaussians import gaussian_problem, long_tailed
from tailwise.metrics import classification_report
from tailwise.posthoc import PredictionRebalancing


@pytest.mark.parametrize("case", golden("prediction_rebalancing"))
def test_rebalancing_matches_golden(case: dict[str, Any]) -> None:
    logits = torch.tensor(case["logits"], dtype=torch.float64)
    correction = PredictionRebalancing(**case["params"])
    expected = torch.tensor(case["scores"], dtype=torch.float64)
    torch.testing.assert_close(correction.scores(logits), expected, rtol=1e-9, atol=1e-12)
    assert correction.transform(logits).argmax(dim=1).tolist() == case["prediction"]


def test_rebalancing_recovers_a_balanced_test_set_from_a_biased_classifier() -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts)
    after = classification_report(PredictionRebalancing().transform(logits), target, counts)["balanced_accuracy"]
    assert after > classification_report(logits, target, counts)["balanced_accuracy"] + 0.05


def test_rebalancing_with_tau_one_gives_every_class_the_same_share() -> None:
    logits, _ = gaussian_problem([900, 90, 10])
    np.testing.assert_allclose(PredictionRebalancing().scores(logits).sum(axis=0), np.ones(3))


def test_rebalancing_depends_on_the_other_samples() -> None:
    logits, _ = gaussian_problem([900, 90, 10])
    correction = PredictionRebalancing()
    assert not np.allclose(correction.transform(logits)[:5], correction.transform(logits[:5]))


def test_weighted_rebalancing_of_a_long_tailed_set_is_that_of_a_balanced_one() -> None:
    logits, target = gaussian_problem([900, 90, 10], samples=30_000)
    balanced = PredictionRebalancing().transform(logits) - logits
    few, labels = long_tailed(logits, target, [9000, 900, 300])
    weight = 1 / np.bincount(labels)[labels]
    for given, close in ((weight, True), (None, False)):
        shift = PredictionRebalancing().transform(few, given) - few
        relative = (shift - shift[:, :1])[0] - (balanced - balanced[:, :1])[0]
        assert (np.abs(relative) < 0.2).all() == close


def test_infinite_tau_is_refused() -> None:
    with pytest.raises(ValueError, match="tau must be a finite number, got inf"):
        PredictionRebalancing(tau=float("inf"))
