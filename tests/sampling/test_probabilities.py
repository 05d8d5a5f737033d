"""Class probabilities against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from tailwise.counts import ClassCounts
from tailwise.sampling import class_probabilities, effective_number_probabilities


def test_rules_give_powers_of_the_counts() -> None:
    counts = ClassCounts([900, 100, 0])
    np.testing.assert_allclose(class_probabilities("class-balanced", ClassCounts([900, 100])), [0.5, 0.5])
    np.testing.assert_allclose(class_probabilities("instance", counts), [0.9, 0.1, 0])
    np.testing.assert_allclose(class_probabilities("square-root", counts), [0.75, 0.25, 0])


@pytest.mark.parametrize("beta", [0.9, 0.99, 0.9999])
def test_effective_number_probabilities_are_counts_over_effective_numbers(beta: float) -> None:
    counts = [5000, 300, 0, 20, 1]
    effective = [sum(beta**power for power in range(count)) for count in counts]
    shares = np.array([count / number if count else 0 for count, number in zip(counts, effective, strict=True)])
    np.testing.assert_allclose(effective_number_probabilities(counts, beta), shares / shares.sum(), rtol=1e-9)


def test_effective_number_probabilities_lie_between_instance_and_class_balanced_ones() -> None:
    counts = ClassCounts([50_000, 500, 5])
    instance, balanced = class_probabilities("instance", counts), class_probabilities("class-balanced", counts)
    np.testing.assert_allclose(effective_number_probabilities(counts, 0), instance)
    np.testing.assert_allclose(effective_number_probabilities(counts, 1 - 1e-9), balanced, atol=1e-4)
    rule = class_probabilities("effective-number", counts)
    np.testing.assert_array_equal(rule, effective_number_probabilities(counts, 0.9999))
    assert instance[2] < rule[2] < balanced[2]
    assert instance[0] > rule[0] > balanced[0]


def test_class_without_samples_has_no_probability_by_effective_number() -> None:
    assert class_probabilities("effective-number", ClassCounts([900, 0, 10]))[1] == 0


def test_wrong_beta_is_named() -> None:
    with pytest.raises(ValueError, match="beta must be at least 0 and below 1, got 1"):
        effective_number_probabilities([9, 1], 1.0)
