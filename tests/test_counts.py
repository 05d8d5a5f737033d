"""ClassCounts: what it derives, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from tailwise import ClassCounts


@pytest.mark.parametrize(
    "given",
    [
        [500, 50, 5],
        (500, 50, 5),
        np.array([500, 50, 5]),
        np.array([500, 50, 5], dtype=np.uint64),
        torch.tensor([500.0, 50.0, 5.0], requires_grad=True),
        torch.tensor([500, 50, 5], dtype=torch.float16),
        torch.tensor([500, 50, 5], dtype=torch.bfloat16),
        ClassCounts([500, 50, 5]),
    ],
    ids=str,
)
def test_takes_lists_arrays_tensors_and_itself(given: Any) -> None:
    counts = ClassCounts(given)
    assert list(counts) == [500, 50, 5]
    assert counts.total == 555
    assert counts.num_classes == len(counts) == 3
    assert counts[1] == 50
    assert counts.tensor().dtype == torch.int64
    assert counts == ClassCounts([500, 50, 5])
    assert counts != ClassCounts([500, 50, 6])


@pytest.mark.parametrize("same", [[9, 1], (9, 1.0), np.array([9, 1]), torch.tensor([9, 1]), ClassCounts([9, 1])])
def test_equals_whatever_holds_the_same_numbers(same: Any) -> None:
    assert (ClassCounts([9, 1]) == same) is True
    assert (ClassCounts([9, 2]) == same) is False


@pytest.mark.parametrize("other", [[9], [[9, 1]], [[9], [1, 2]], ["9", "1"], None, 9, "91"])
def test_equals_nothing_else(other: object) -> None:
    assert (ClassCounts([9, 1]) == other) is False


def test_equal_counts_have_equal_hashes() -> None:
    assert len({ClassCounts([9, 1]), ClassCounts([9.0, 1.0]), (9, 1)}) == 1


def test_an_index_gives_a_number_and_a_slice_or_mask_an_array() -> None:
    counts = ClassCounts([500, 50, 5])
    assert type(counts[-1]) is int
    assert counts[:2].tolist() == [500, 50]
    assert counts[[2, 0]].tolist() == [5, 500]
    assert counts[counts.groups().few].tolist() == [5]
    with pytest.raises(IndexError):
        counts[3]


@pytest.mark.parametrize("given", [[2**63 - 2, 1], np.array([2**63 - 2, 1], dtype=np.uint64)])
def test_counts_that_sum_to_the_largest_int64_are_exact(given: Any) -> None:
    counts = ClassCounts(given)
    assert counts.total == 2**63 - 1
    assert list(counts) == [2**63 - 2, 1]


@pytest.mark.parametrize(
    "given",
    [[1e30, 1.0], [2**63 + 5, 1], np.array([2**63 + 5], dtype=np.uint64), [2**62, 2**62], torch.tensor([1e19])],
)
def test_counts_that_no_int64_holds_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"class_counts must sum to less than 2\*\*63, got \d+; give"):
        ClassCounts(given)


def test_priors_sum_to_one_in_proportion() -> None:
    np.testing.assert_allclose(ClassCounts([6, 3, 1]).priors, [0.6, 0.3, 0.1])


def test_counts_labels_up_to_the_number_of_classes() -> None:
    assert list(ClassCounts.from_targets([0, 2, 2, 0, 0])) == [3, 0, 2]
    assert list(ClassCounts.from_targets(torch.tensor([1, 1]), num_classes=4)) == [0, 2, 0, 0]


def test_imbalance_factor_is_largest_over_smallest() -> None:
    assert ClassCounts([5000, 50, 700]).imbalance_factor == 100
    assert math.isinf(ClassCounts([5, 0]).imbalance_factor)


@pytest.mark.parametrize("counts", [[5, 5, 5], [9, 1], [1, 2, 3, 4, 100], [7, 0, 0]])
def test_gini_is_the_mean_absolute_difference_over_twice_the_mean(counts: list[int]) -> None:
    pairs = [abs(a - b) for a in counts for b in counts]
    mean = sum(counts) / len(counts)
    assert ClassCounts(counts).gini == pytest.approx(sum(pairs) / len(pairs) / (2 * mean))


def test_groups_are_more_than_100_20_to_100_and_less_than_20_by_default() -> None:
    many, medium, few = ClassCounts([101, 100, 20, 19, 0]).groups()
    assert many.tolist() == [0]
    assert medium.tolist() == [1, 2]
    assert few.tolist() == [3, 4]
    assert ClassCounts([9, 5, 1]).groups(many=5, few=2).many.tolist() == [0]


def test_cannot_be_changed_through_its_array() -> None:
    given = np.array([3, 2])
    counts = ClassCounts(given)
    given[0] = 99
    assert counts[0] == 3
    with pytest.raises(ValueError, match="read-only"):
        counts.counts[0] = 1


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "non-empty list"),
        ("12", ValueError, "one count per class, got '12'"),
        ({0: 5, 1: 3}, ValueError, "one count per class, got a dict; give its values in order"),
        ([[1, 2]], ValueError, r"got shape \(1, 2\)"),
        ([3, -1], ValueError, "must not be negative, got -1 for class 1"),
        ([3, 1.5], ValueError, r"whole numbers, got 1\.5 for class 1"),
        ([3, float("nan")], ValueError, "whole numbers, got nan for class 1"),
        ([3, float("inf")], ValueError, "must be finite"),
        ([0, 0], ValueError, "all zero"),
        (["a", "b"], TypeError, "must be whole numbers"),
        ([True, False], TypeError, "must be whole numbers, got bool"),
        ([2**64, 1], TypeError, r"must be whole numbers, got object; pass one integer below 2\*\*63 per class"),
    ],
)
def test_counts_that_are_none_are_refused(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ClassCounts(given)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "non-empty list of labels"),
        ([[0, 1]], r"got shape \(1, 2\)"),
        ([0.5, 1.0], "integer labels, got float64"),
        (torch.ones(2, dtype=torch.bfloat16), "integer labels, got float64"),
        ([-1, 0], "labels from 0 up, got -1"),
        ([0, 3], "target 3 is out of range for 3 classes"),
    ],
)
def test_labels_that_are_none_are_refused(targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassCounts.from_targets(targets, num_classes=3)


def test_few_above_many_is_refused() -> None:
    with pytest.raises(ValueError, match="few=30 must not exceed many=10"):
        ClassCounts([5, 5]).groups(many=10, few=30)
