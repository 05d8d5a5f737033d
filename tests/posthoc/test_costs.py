"""The cost-sensitive decision against brute force."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from posthoc.gaussians import gaussian_problem
from tailwise.metrics import classification_report
from tailwise.posthoc import CostSensitiveDecision, LogitAdjustment

COUNTS = [900, 90, 10]


def cheapest(logits: Any, costs: Any) -> list[int]:
    """The decision by its definition, in plain loops."""
    decisions = []
    for p in softmax(logits, axis=1):
        expected = [sum(p[c] * costs[c][j] for c in range(len(p))) for j in range(len(p))]
        decisions.append(expected.index(min(expected)))
    return decisions


@pytest.mark.parametrize("seed", range(10))
def test_decision_has_the_least_expected_cost(seed: int) -> None:
    generator = np.random.default_rng(seed)
    costs = 10 * generator.normal(size=(4, 4))
    logits = 2 * generator.normal(size=(200, 4))
    decisions = CostSensitiveDecision(costs).transform(logits).argmax(axis=1).tolist()
    assert decisions == cheapest(logits, costs)
    assert decisions != logits.argmax(axis=1).tolist()


def test_equal_costs_of_every_error_give_log_probabilities() -> None:
    logits = torch.randn(20, 3, dtype=torch.float64)
    corrected = CostSensitiveDecision(1 - torch.eye(3)).transform(logits)
    torch.testing.assert_close(corrected, logits.log_softmax(dim=1))


def test_costs_of_the_classes_alone_are_those_of_a_matrix_with_equal_rows_off_the_diagonal() -> None:
    logits = torch.randn(20, 3, dtype=torch.float64)
    matrix = [[0, 2, 2], [5, 0, 5], [0.5, 0.5, 0]]
    torch.testing.assert_close(
        CostSensitiveDecision([2, 5, 0.5]).transform(logits), CostSensitiveDecision(matrix).transform(logits)
    )


def test_what_every_prediction_for_a_class_costs_makes_no_difference() -> None:
    logits, costs = torch.randn(20, 3, dtype=torch.float64), torch.rand(3, 3, dtype=torch.float64)
    more = costs + torch.tensor([[7.0], [-3.0], [100.0]], dtype=torch.float64)
    torch.testing.assert_close(
        CostSensitiveDecision(more).transform(logits), CostSensitiveDecision(costs).transform(logits)
    )


def test_unit_of_the_costs_makes_no_difference_to_the_probabilities() -> None:
    logits, costs = torch.randn(20, 3, dtype=torch.float64), torch.rand(3, 3, dtype=torch.float64)
    in_cents, in_euros = (CostSensitiveDecision(unit * costs).transform(logits).softmax(dim=1) for unit in (100, 1))
    torch.testing.assert_close(in_cents, in_euros)


def test_two_classes_are_parted_at_elkans_threshold() -> None:
    costs = [[1.0, 9.0], [6.0, 2.0]]
    threshold = (9 - 1) / (9 - 1 + 6 - 2)
    p = np.linspace(0.01, 0.99, 99)
    corrected = CostSensitiveDecision(costs).transform(np.log(np.stack([1 - p, p], axis=1)))
    np.testing.assert_array_equal(corrected.argmax(axis=1), p > threshold)


def test_class_whose_errors_cost_nothing_is_never_predicted() -> None:
    corrected = CostSensitiveDecision([1, 0]).transform(np.array([[0.0, 500.0], [0.0, 5.0]]))
    assert np.isfinite(corrected).all()
    assert corrected.argmax(axis=1).tolist() == [0, 0]


def test_mean_cost_falls_and_no_other_weights_of_the_probabilities_do_better() -> None:
    prior = [0.9, 0.09, 0.01]
    logits, target = gaussian_problem(COUNTS, samples=20_000, test_prior=prior)
    decision = CostSensitiveDecision([[0, 1, 2], [10, 0, 1], [100, 50, 0]])
    before, after = decision.mean_cost(logits, target), decision.mean_cost(decision.transform(logits), target)
    assert after < 0.7 * before
    others = np.random.default_rng(0).normal(size=(50, 3)) * 3
    assert after <= min(decision.mean_cost(logits + shift, target) for shift in others) + 0.01


def test_balanced_accuracy_rises_where_an_error_costs_the_inverse_of_the_frequency() -> None:
    logits, target = gaussian_problem(COUNTS)
    corrected = CostSensitiveDecision(1 / np.array(COUNTS)).transform(logits)
    np.testing.assert_array_equal(corrected.argmax(axis=1), LogitAdjustment(COUNTS).transform(logits).argmax(axis=1))
    before, after = (classification_report(z, target, COUNTS)["balanced_accuracy"] for z in (logits, corrected))
    assert after > before + 0.1


@pytest.mark.parametrize("costs", [[[0, 1, 2], [10, 0, 1], [100, 50, 3]], [1, 4, 20]])
def test_mean_cost_is_that_of_the_largest_logits(costs: Any) -> None:
    logits, target = gaussian_problem(COUNTS, samples=100)
    matrix = costs if isinstance(costs[0], list) else [[w * (j != c) for j in range(3)] for c, w in enumerate(costs)]
    expected = np.mean([matrix[c][j] for c, j in zip(target, logits.argmax(axis=1), strict=True)])
    assert CostSensitiveDecision(costs).mean_cost(logits, target) == pytest.approx(expected)


def test_rare_class_with_a_high_cost_is_found_in_half_precision() -> None:
    logits = torch.tensor([[20.0, 0.0]], dtype=torch.float16)  # p of 2e-9 is 0 in float16
    assert CostSensitiveDecision([[0, 1e-6], [1e4, 0]]).transform(logits).argmax(dim=1).tolist() == [1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CostSensitiveDecision([[0, 1], [1]]), r"rows of different lengths \[\[0, 1\], \[1\]\]"),
        (lambda: CostSensitiveDecision(np.ones((2, 3))), r"two classes or more, got float64 of shape \(2, 3\)"),
        (lambda: CostSensitiveDecision([1.0]), r"two classes or more, got float64 of shape \(1,\)"),
        (lambda: CostSensitiveDecision(np.float64(1)), r"two classes or more, got float64 of shape \(\)"),
        (lambda: CostSensitiveDecision(["a", "b"]), "two classes or more, got <U1"),
        (lambda: CostSensitiveDecision([1, -2]), "those of the classes alone from 0 up, got -2 to 1"),
        (lambda: CostSensitiveDecision([[0, np.inf], [1, 0]]), "costs must be finite"),
        (lambda: CostSensitiveDecision([[0, np.nan], [1, 0]]), "costs must be finite"),
        (lambda: CostSensitiveDecision([[3, 3], [1, 1]]), "every prediction costs the same"),
        (lambda: CostSensitiveDecision([0, 0]), "every prediction costs the same"),
        (lambda: CostSensitiveDecision([1, 2]).transform(np.zeros((1, 3))), "logits have 3 classes but costs has 2"),
        (
            lambda: CostSensitiveDecision([1, 2]).mean_cost(np.zeros((1, 3)), np.zeros(1, int)),
            "logits have 3 classes but costs has 2",
        ),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("unit", [1e-60, 1.0, 1e60])
def test_unit_of_the_costs_changes_no_decision(unit: float) -> None:
    logits = torch.tensor([[0.0, 0.6], [0.0, 0.8]])
    for costs in ([2 * unit, unit], [[0.0, 2 * unit], [unit, 0.0]]):
        decided = CostSensitiveDecision(costs).transform(logits).argmax(dim=1)
        assert decided.tolist() == [0, 1]
