"""Class weights against their golden cases and their limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from tailwise.weights import effective_number_weights, inverse_frequency_weights


@pytest.mark.parametrize("case", golden("effective_number_weights"))
def test_effective_number_weights_match_golden(case: dict[str, Any]) -> None:
    weights = effective_number_weights(case["class_counts"], **case["params"])
    expected = torch.tensor(case["class_weight"], dtype=torch.float64)
    torch.testing.assert_close(weights, expected, rtol=1e-9, atol=1e-9)


def test_effective_number_of_one_sample_each_is_one() -> None:
    torch.testing.assert_close(effective_number_weights([1, 1, 1], 0.9), torch.ones(3, dtype=torch.float64))


def test_beta_near_one_tends_to_inverse_frequencies() -> None:
    counts = [5000, 300, 7]
    near_one = effective_number_weights(counts, 1 - 1e-12)
    torch.testing.assert_close(near_one, inverse_frequency_weights(counts), rtol=1e-4, atol=0)


def test_inverse_frequencies_are_in_proportion_and_sum_to_the_number_of_classes() -> None:
    torch.testing.assert_close(
        inverse_frequency_weights([4, 2, 1]), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64) * 3 / 7
    )
    torch.testing.assert_close(
        inverse_frequency_weights([16, 1], power=0.5), torch.tensor([0.4, 1.6], dtype=torch.float64)
    )
    torch.testing.assert_close(inverse_frequency_weights([9, 1], power=0), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("weights", [effective_number_weights, inverse_frequency_weights])
def test_class_without_samples_is_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="class 1 has count 0"):
        weights([3, 0])


def test_a_weight_may_underflow_but_the_sum_is_the_number_of_classes() -> None:
    assert inverse_frequency_weights([10**6, 1], power=1000).tolist() == [0.0, 2.0]


@pytest.mark.parametrize("power", [-1.0, float("nan"), float("inf")])
def test_power_that_is_negative_or_not_finite_is_refused(power: float) -> None:
    with pytest.raises(ValueError, match="power must be at least 0"):
        inverse_frequency_weights([3, 2], power)


def test_beta_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="beta must be at least 0 and below 1, got 1"):
        effective_number_weights([3, 2], beta=1)
