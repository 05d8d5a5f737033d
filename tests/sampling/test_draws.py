"""Draws against the frequencies they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from sampling_cases import COUNTS, LIKELY, shuffled_targets
from tailwise.counts import ClassCounts
from tailwise.sampling import SamplesByClass, class_probabilities, equalized_indices, rebalanced_indices
from tailwise.sampling.draws import CHUNK


def draw(probabilities: object, num_samples: int, targets: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    samples = SamplesByClass(shuffled_targets(COUNTS) if targets is None else targets)
    return rebalanced_indices(samples, probabilities, num_samples, np.random.default_rng(seed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "probabilities",
    [[0.25, 0.0, 0.25, 0.25, 0.25], [0.7, 0.0, 0.04, 0.009, 0.251], [0.001, 0.0, 0.9, 0.049, 0.05]],
    ids=["balanced", "instance", "skewed"],
)
def test_classes_are_drawn_with_their_probability_and_samples_evenly_within(probabilities: list[float]) -> None:
    targets = shuffled_targets(COUNTS)
    drawn = draw(probabilities, 400_000)
    per_sample = np.bincount(drawn, minlength=len(targets))
    per_class = np.bincount(targets, weights=per_sample, minlength=5)
    assert per_class[1] == 0
    present = [0, 2, 3, 4]
    assert stats.chisquare(per_class[present], 400_000 * np.array(probabilities)[present]).pvalue > LIKELY
    for label in present:
        assert stats.chisquare(per_sample[targets == label]).pvalue > LIKELY


def test_many_classes_are_drawn_with_their_probability() -> None:
    counts = ClassCounts(np.random.default_rng(1).integers(1, 50, 3000))
    targets = np.repeat(np.arange(3000), counts.counts)
    probabilities = class_probabilities("square-root", counts)
    per_class = np.bincount(targets[draw(probabilities, 300_000, targets)], minlength=3000)
    assert stats.chisquare(per_class, 300_000 * probabilities).pvalue > LIKELY


def test_consecutive_draws_are_independent() -> None:
    targets = np.repeat([0, 1], [5, 5])
    label = targets[draw([0.5, 0.5], 100_000, targets)]
    pairs = np.bincount(2 * label[:-1] + label[1:], minlength=4)
    assert stats.chisquare(pairs).pvalue > LIKELY


def test_fewer_draws_are_the_first_of_more() -> None:
    more = draw([0.25, 0.0, 0.25, 0.25, 0.25], 2 * CHUNK + 5)
    for fewer in (0, 1, CHUNK, CHUNK + 1):
        np.testing.assert_array_equal(draw([0.25, 0.0, 0.25, 0.25, 0.25], fewer), more[:fewer])


@pytest.mark.parametrize("per_class", [9, 40, 251, 700])
def test_equalized_classes_have_as_many_samples_and_use_each_as_often_as_another(per_class: int) -> None:
    counts = [700, 40, 9, 251]
    targets = shuffled_targets(counts)
    samples = SamplesByClass(targets)
    drawn = equalized_indices(samples, per_class, np.random.default_rng(0))
    assert np.bincount(targets[drawn]).tolist() == [per_class] * 4
    times = np.bincount(drawn, minlength=len(targets))
    for label, count in enumerate(counts):
        assert set(times[targets == label]) <= {per_class // count, -(-per_class // count)}
    other = equalized_indices(samples, per_class, np.random.default_rng(1))
    assert set(drawn) != set(other) or per_class == 700
    assert (np.diff(targets[drawn]) != 0).mean() > 0.5  # mixed, not class after class


def test_every_sample_is_as_likely_to_survive_under_sampling() -> None:
    samples = SamplesByClass(np.repeat([0, 1], [50, 10]))
    generator = np.random.default_rng(0)
    kept = np.concatenate([equalized_indices(samples, 10, generator) for _ in range(500)])
    assert stats.chisquare(np.bincount(kept)[:50]).pvalue > LIKELY


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: equalized_indices(SamplesByClass([0, 2]), 1, np.random.default_rng(0)), "class 1 has no samples"),
        (lambda: equalized_indices(SamplesByClass([0, 1]), 0, np.random.default_rng(0)), "per_class must be at least"),
        (lambda: draw([0.5, 0.5], 1), r"5 numbers, one per class, got shape \(2,\)"),
        (lambda: draw([1.0, 0, 0, 0, 0], -1), "num_samples must not be negative, got -1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
