"""Imbalance profiles: the counts, the samples chosen for them, and the test sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import golden

# The module, for pytest would collect profiles.test_counts as a test.
from tailwise.data import profiles
from tailwise.data.profiles import (
    exponential_counts,
    linear_counts,
    multi_step_counts,
    step_counts,
    subset_indices,
    validation_counts,
)
from tailwise.errors import InputError

reproducible = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize("case", golden("long_tailed_counts"), ids=lambda case: str(case["params"]))
def test_exponential_counts_are_those_of_the_released_code(case: dict[str, Any]) -> None:
    params = case["params"]
    counts = exponential_counts(params["num_classes"], params["max_count"], params["imbalance_factor"])
    assert list(counts) == case["class_counts"]
    assert counts.total == case["total"]


@reproducible
@given(st.integers(2, 12), st.integers(1, 5000), st.integers(1, 1000))
def test_exponential_counts_are_the_floor_in_exact_arithmetic(classes: int, max_count: int, factor: int) -> None:
    factor = min(factor, max_count)
    for label, count in enumerate(exponential_counts(classes, max_count, factor)):
        # n <= M * IF^(-c/(C-1)) < n + 1, raised to the power C-1 and cleared of fractions
        limit = max_count ** (classes - 1)
        assert count ** (classes - 1) * factor**label <= limit < (count + 1) ** (classes - 1) * factor**label


@reproducible
@given(st.integers(2, 200), st.integers(1, 5000), st.integers(1, 1000))
def test_linear_counts_are_the_floor_in_exact_arithmetic(classes: int, max_count: int, factor: int) -> None:
    factor = min(factor, max_count)
    steps = (classes - 1) * factor
    expected = [max_count * (steps - label * (factor - 1)) // steps for label in range(classes)]
    assert list(linear_counts(classes, max_count, factor)) == expected


@pytest.mark.parametrize("counts", [exponential_counts, linear_counts])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 10, 2), "num_classes must be at least 2, got 1"),
        ((2, 0, 1), "max_count must be at least 1, got 0"),
        ((2, 10, 0), "imbalance_factor must lie from 1 to max_count=10, .* got 0"),
        ((2, 10, 10.5), "so that the rarest class keeps a sample, got 10.5"),
        ((2, 10, float("nan")), "got nan"),
    ],
)
def test_parameters_out_of_range_are_refused(counts: Any, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        counts(*arguments)


def test_step_counts_have_two_levels() -> None:
    assert list(step_counts(5, 1000, 50, [1, 4])) == [50, 1000, 50, 50, 1000]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 10, 20, [0]), "majority_count must be at least minority_count=20, got 10"),
        ((3, 10, 0, [0]), "count must be at least 1, got 0"),
        ((3, 10, 5, []), r"but not all, got \[\]"),
        ((3, 10, 5, [0, 1, 2]), "some of the 3 classes but not all"),
        ((3, 10, 5, [3]), "0 to 2, got 3"),
        ((3, 10, 5, [1, 1]), "class 1 twice"),
    ],
)
def test_steps_that_do_not_fit_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        step_counts(*arguments)


def test_multi_step_counts_have_a_level_per_step() -> None:
    assert list(multi_step_counts(5, [(200, [0, 3]), (1800, [4]), (5000, [1, 2])])) == [200, 5000, 5000, 200, 1800]


def test_a_class_in_no_step_is_refused() -> None:
    with pytest.raises(InputError, match="each of the 3 classes must be listed, class 1 is not"):
        multi_step_counts(3, [(5, [0, 2])])


TARGETS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [60, 30, 20]))


def test_a_subset_has_the_counts_asked_for_in_ascending_order() -> None:
    chosen = subset_indices(TARGETS, [50, 0, 20], seed=3)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(TARGETS[chosen], minlength=3).tolist() == [50, 0, 20]


def test_a_subset_depends_on_the_seed_alone() -> None:
    first, again, other = (subset_indices(TARGETS, [10, 10, 10], seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("seed", [0, 7, None])
def test_the_subset_of_smaller_counts_is_within_that_of_larger(seed: int | None) -> None:
    small, large = subset_indices(TARGETS, [40, 3, 1], seed), subset_indices(TARGETS, [55, 30, 2], seed)
    assert set(small) < set(large)


def test_one_class_is_drawn_alike_whatever_the_others_are() -> None:
    alone, together = subset_indices(TARGETS, [0, 10, 0], seed=5), subset_indices(TARGETS, [33, 10, 7], seed=5)
    assert alone.tolist() == together[TARGETS[together] == 1].tolist()


def test_classes_are_not_drawn_at_the_same_places() -> None:
    chosen = subset_indices(np.repeat([0, 1], 50), [25, 25], seed=0)
    assert chosen[:25].tolist() != (chosen[25:] - 50).tolist()


@pytest.mark.parametrize("seed", [-1, 1.5, "1"])
def test_a_seed_that_is_no_whole_number_from_zero_up_is_refused(seed: Any) -> None:
    with pytest.raises(InputError, match="seed must be a whole number from 0 up, or None for the first samples, got"):
        subset_indices([0, 0, 1], [1, 1], seed)


def test_without_a_seed_the_first_samples_are_taken() -> None:
    chosen = subset_indices([2, 0, 0, 1, 0, 2, 2], [2, 1, 1], seed=None)
    assert chosen.tolist() == [0, 1, 2, 3]


def test_every_sample_of_a_class_is_drawn_about_equally_often() -> None:
    targets = np.zeros(10, np.int64)
    drawn = np.bincount(np.concatenate([subset_indices(targets, [3], seed) for seed in range(1000)]))
    # 1000 draws of 3 of 10: mean 300, standard deviation 14.5
    assert (abs(drawn - 300) < 75).all()


@pytest.mark.parametrize(
    ("targets", "counts", "message"),
    [
        (TARGETS, [60, 31, 20], "class 1 has 30 samples, 31 were asked for"),
        (TARGETS, [60, 30], "target 2 is out of range for 2 classes"),
        ([-1, 0], [1], "got -1"),
    ],
)
def test_samples_that_do_not_exist_are_refused(targets: Any, counts: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        subset_indices(targets, counts, seed=0)


def test_a_natural_test_set_is_all_there_is() -> None:
    assert list(profiles.test_counts([5, 0, 7], "natural", [9, 9, 9])) == [5, 0, 7]


def test_a_uniform_test_set_has_as_many_of_each_class_as_the_rarest() -> None:
    assert list(profiles.test_counts([5, 4, 7], "uniform", [9, 1, 1])) == [4, 4, 4]


def test_a_long_tailed_test_set_has_the_proportions_of_training() -> None:
    assert list(profiles.test_counts([100, 100, 100, 100], "long-tailed", [500, 250, 9, 2])) == [100, 50, 1, 1]


def test_a_backward_test_set_hands_out_the_training_counts_in_reverse() -> None:
    assert list(profiles.test_counts([100, 100, 100], "backward", [50, 500, 100])) == [100, 10, 20]


counts_lists = st.integers(2, 8).flatmap(
    lambda classes: st.tuples(
        *[st.lists(st.integers(1, 10**6), min_size=classes, max_size=classes) for _ in ("available", "train")]
    )
)


@reproducible
@given(counts_lists)
def test_a_long_tailed_test_set_is_as_large_as_the_samples_allow(counts: tuple[list[int], list[int]]) -> None:
    available, train = counts
    chosen = list(profiles.test_counts(available, "long-tailed", train))
    assert all(1 <= count <= most for count, most in zip(chosen, available, strict=True))
    assert any(count == most for count, most in zip(chosen, available, strict=True))
    by_frequency = np.argsort(train, kind="stable")
    assert (np.diff(np.array(chosen)[by_frequency]) >= 0).all()


@reproducible
@given(counts_lists)
def test_a_backward_test_set_is_the_long_tailed_one_of_a_mirrored_training_set(
    counts: tuple[list[int], list[int]],
) -> None:
    available, train = counts
    descending = sorted(train, reverse=True)
    assert profiles.test_counts(available, "backward", descending) == profiles.test_counts(
        available, "long-tailed", descending[::-1]
    )


@pytest.mark.parametrize(
    ("available", "profile", "message"),
    [
        ([1, 1], "inverse", "one of natural, uniform, long-tailed, backward, got inverse"),
        ([1, 1, 1], "uniform", "same classes, got 3 and 2"),
        ([1, 0], "uniform", "class 1 has no sample"),
        ([0, 1], "long-tailed", "class 0 has no sample"),
    ],
)
def test_a_test_set_that_cannot_be_had_is_refused(available: list[int], profile: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        profiles.test_counts(available, profile, [2, 1])


def test_validation_takes_its_share_of_each_class_but_never_none_nor_all_of_two_samples() -> None:
    assert list(validation_counts([500, 50, 14, 3, 2, 1, 0], 0.1)) == [50, 5, 1, 1, 1, 0, 0]
    assert list(validation_counts([500, 50, 14, 3, 2, 1, 0], 0.99)) == [495, 49, 13, 2, 1, 0, 0]


def test_validation_without_a_class_of_two_samples_is_refused() -> None:
    with pytest.raises(InputError, match="validation_fraction needs a class with at least two training samples"):
        validation_counts([1, 1, 0], 0.5)
