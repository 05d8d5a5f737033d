"""Repeat factors against their formula, and the draws they give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from sampling_cases import LIKELY, shuffled_targets
from tailwise.sampling import RepeatFactorSampler, repeat_factor_draw, repeat_factor_indices, repeat_factors

TARGETS = shuffled_targets([700, 0, 40, 9, 251])
SEVERAL = (np.random.default_rng(0).random((500, 6)) < [0.9, 0.5, 0.1, 0.02, 0.01, 0]).astype(np.int64)


def drawn_over(sampler: RepeatFactorSampler, epochs: int) -> np.ndarray:
    """How often each sample came in each epoch, (epochs, N)."""
    times = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        times.append(np.bincount(list(sampler), minlength=len(sampler.factors)))
    return np.array(times)


@pytest.mark.parametrize("threshold", [0.001, 0.05, 0.3, 1.0])
def test_factor_of_a_label_is_that_of_the_formula(threshold: float) -> None:
    factors = repeat_factors(TARGETS, threshold)
    for label, factor in zip(TARGETS, factors, strict=True):
        assert factor == pytest.approx(max(1, (threshold / (label == TARGETS).mean()) ** 0.5))


def test_factor_of_several_labels_is_the_largest_of_its_classes() -> None:
    factors = repeat_factors(SEVERAL, 0.2)
    by_class = [max(1, (0.2 / share) ** 0.5) if share else 1 for share in SEVERAL.mean(axis=0)]
    for row, factor in zip(SEVERAL, factors, strict=True):
        assert factor == pytest.approx(max([1, *(by_class[label] for label in np.flatnonzero(row))]))


@pytest.mark.parametrize(
    "give", [np.array, torch.tensor, lambda labels: labels.astype(bool), lambda labels: labels * 1.0]
)
def test_several_labels_may_be_of_any_type_of_number(give: Any) -> None:
    np.testing.assert_array_equal(repeat_factors(give(SEVERAL), 0.2), repeat_factors(SEVERAL, 0.2))


def test_one_hot_labels_have_the_factors_of_the_labels() -> None:
    np.testing.assert_allclose(repeat_factors(np.eye(5)[TARGETS], 0.1), repeat_factors(TARGETS, 0.1))


def test_every_sample_comes_as_often_as_its_factor_rounded_down_or_up() -> None:
    sampler = RepeatFactorSampler(TARGETS, 0.1)
    times = drawn_over(sampler, 20)
    assert (times >= np.floor(sampler.factors)).all()
    assert (times <= np.ceil(sampler.factors)).all()


def test_classes_come_as_often_as_their_factors_say() -> None:
    sampler = RepeatFactorSampler(TARGETS, 0.5)
    rounds = 400
    times = drawn_over(sampler, rounds)
    for label in (2, 3, 4):
        of_class = label == TARGETS
        factor = sampler.factors[of_class][0]
        up = int((times[:, of_class] - np.floor(factor)).sum())
        draws = rounds * int(of_class.sum())
        share = factor - np.floor(factor)
        assert stats.chisquare([up, draws - up], [draws * share, draws * (1 - share)]).pvalue > LIKELY


def test_order_is_random() -> None:
    drawn = repeat_factor_indices(repeat_factors(TARGETS, 0.1), np.random.default_rng(0))
    first_half = np.bincount(drawn[: len(drawn) // 2] * 2 // len(TARGETS), minlength=2)
    assert stats.chisquare(first_half).pvalue > LIKELY


def test_length_is_that_of_the_present_epoch() -> None:
    sampler = RepeatFactorSampler(TARGETS, 0.1)
    lengths = set()
    for epoch in range(5):
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler))
        lengths.add(len(sampler))
    assert len(lengths) > 1


def test_frequent_classes_alone_are_a_shuffled_pass_over_the_data() -> None:
    assert sorted(RepeatFactorSampler(TARGETS, 0.001)) == list(range(1000))


@pytest.mark.parametrize("ranks", [2, 3, 7])
def test_shards_take_turns_in_the_draw_of_one_process_and_are_filled_up_with_its_first(ranks: int) -> None:
    whole = list(RepeatFactorSampler(TARGETS, 0.1))
    shards = [list(RepeatFactorSampler(TARGETS, 0.1, num_replicas=ranks, rank=rank)) for rank in range(ranks)]
    assert len({len(shard) for shard in shards}) == 1
    together = [index for turn in zip(*shards, strict=True) for index in turn]
    missing = -len(whole) % ranks
    assert together == whole + whole[:missing]


def test_fewer_samples_than_processes_are_handed_out_again() -> None:
    shards = [list(RepeatFactorSampler([0, 0], 0.1, num_replicas=5, rank=rank)) for rank in range(5)]
    assert sorted(map(len, shards)) == [1] * 5


def test_epoch_and_seed_change_the_draw_and_nothing_else_does() -> None:
    def drawn(seed: int, epoch: int) -> tuple[int, ...]:
        sampler = RepeatFactorSampler(TARGETS, 0.1, seed=seed)
        sampler.set_epoch(epoch)
        assert tuple(sampler) == tuple(sampler)
        return tuple(sampler)

    assert len({drawn(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_draw_is_that_of_the_sampler() -> None:
    sampler = RepeatFactorSampler(TARGETS, 0.1, seed=2)
    sampler.set_epoch(3)
    assert repeat_factor_draw(TARGETS, 0.1, seed=2)(3).tolist() == list(sampler)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: repeat_factors([0, 1], 0.0), "threshold must be above 0 and at most 1, got 0.0"),
        (lambda: repeat_factors([0, 1], 2), "threshold must be above 0 and at most 1, got 2"),
        (lambda: repeat_factors([], 0.1), "non-empty list of labels"),
        (lambda: repeat_factors([0.5], 0.1), "targets must be integer labels, got float64"),
        (lambda: repeat_factors([[0, 2]], 0.1), r"targets of shape \(1, 2\) must be 0 or 1 for each sample and class"),
        (lambda: repeat_factors(np.zeros((0, 3)), 0.1), r"targets of shape \(0, 3\) must be 0 or 1"),
        (lambda: RepeatFactorSampler([0, 1], 0.1, seed=-1), "seed must be a whole number from 0 up, got -1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
