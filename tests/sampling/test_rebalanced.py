"""The rebalanced sampler against its rules and its draw."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from sampling_cases import LIKELY, shuffled_targets
from tailwise.sampling import RebalancedSampler
from tailwise.schedules import PhasedProgressiveSampling, progressive_sampling


def test_indices_above_two_to_the_24th_are_drawn() -> None:
    targets = np.zeros(2**24 + 1000, dtype=np.uint8)
    targets[-1000:] = 1
    sampler = RebalancedSampler(targets, num_samples=4000)
    drawn = np.array(list(sampler))
    rare = drawn[drawn >= 2**24]
    assert 1700 < len(rare) < 2300
    assert rare.max() > 2**24 + 900
    assert drawn[drawn < 2**24].max() > 0.99 * 2**24


def test_shards_take_turns_in_the_draw_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailwise.sampling.draws.CHUNK", 64)  # shards go on across chunks
    targets = shuffled_targets([300, 30, 3])
    for ranks in (1, 2, 3, 5):
        whole = list(RebalancedSampler(targets, num_samples=ranks * 67))
        shards = [
            RebalancedSampler(targets, num_samples=ranks * 67, num_replicas=ranks, rank=rank) for rank in range(ranks)
        ]
        assert [len(shard) for shard in shards] == [67] * ranks
        assert [index for turn in zip(*shards, strict=True) for index in turn] == whole


def test_shards_are_equally_long_where_the_draws_do_not_divide() -> None:
    targets = shuffled_targets([300, 30, 3])
    shards = [list(RebalancedSampler(targets, num_samples=10, num_replicas=4, rank=rank)) for rank in range(4)]
    assert [len(shard) for shard in shards] == [3] * 4
    interleaved = [index for turn in zip(*shards, strict=True) for index in turn]
    assert interleaved[:10] == list(RebalancedSampler(targets, num_samples=10))


def test_epoch_and_seed_change_the_draw_and_nothing_else_does() -> None:
    def drawn(seed: int, epoch: int) -> tuple[int, ...]:
        sampler = RebalancedSampler(shuffled_targets([300, 30, 3]), seed=seed)
        sampler.set_epoch(epoch)
        first = tuple(sampler)
        torch.manual_seed(seed)
        assert tuple(sampler) == first
        return first

    assert len({drawn(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        ("class-balanced", [1, 1, 1]),
        ("instance", [900, 90, 10]),
        ("square-root", [30, 9.486833, 3.162278]),
        ("effective-number", [900 / 860.691, 90 / 89.60058, 10 / 9.9955]),
    ],
)
def test_classes_come_as_often_as_the_rule_says(rule: Any, shares: list[float]) -> None:
    targets = shuffled_targets([900, 90, 10])
    per_class = np.bincount(targets[list(RebalancedSampler(targets, rule, num_samples=60_000))], minlength=3)
    assert stats.chisquare(per_class, 60_000 * np.array(shares) / sum(shares)).pvalue > LIKELY


def test_schedule_is_followed() -> None:
    counts = [900, 90, 10]
    targets = shuffled_targets(counts)
    schedule = PhasedProgressiveSampling(counts, 2, 6, power=1.0)
    sampler = RebalancedSampler(targets, schedule, num_samples=50_000)
    for epoch in (0, 4, 6, 9):
        sampler.set_epoch(epoch)
        per_class = np.bincount(targets[list(sampler)], minlength=3)
        assert stats.chisquare(per_class, 50_000 * schedule(epoch).numpy()).pvalue > LIKELY


def test_sampler_can_be_sent_to_another_process() -> None:
    sampler = RebalancedSampler([0] * 9 + [1], PhasedProgressiveSampling([9, 1], 0, 2))
    assert list(pickle.loads(pickle.dumps(sampler))) == list(sampler)


def test_probabilities_may_be_a_list_an_array_or_a_tensor() -> None:
    targets = shuffled_targets([300, 30, 3])
    given = ([0.2, 0.3, 0.5], np.array([0.2, 0.3, 0.5]), torch.tensor([0.2, 0.3, 0.5]).double())
    drawn = [list(RebalancedSampler(targets, probabilities)) for probabilities in given]
    assert all(one == other for one, other in pairwise(drawn))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RebalancedSampler([0, 2]), "class 1 has no samples, so none can be drawn; leave the class out"),
        (lambda: RebalancedSampler([0, 1], [0.4, 0.4, 0.2]), "class 2 has no samples"),
        (lambda: RebalancedSampler([0, 1], [0.5, 0.6]), "must not be negative and must sum to 1, got sum 1.1"),
        (lambda: RebalancedSampler([0, 1], [1.5, -0.5]), "must not be negative"),
        (lambda: RebalancedSampler([0, 1, 2], [0.5, 0.5]), "target 2 is out of range for 2 classes"),
        (
            lambda: RebalancedSampler([0, 1], "balanced"),
            "one of class-balanced, instance, square-root, effective-number or C",
        ),  # type: ignore[arg-type]
        (lambda: RebalancedSampler([]), "non-empty list of labels"),
        (lambda: RebalancedSampler([0, 1], num_samples=0), "num_samples must be a whole number from 1 up, got 0"),
        (lambda: RebalancedSampler([0, 1], num_replicas=2, rank=2), "rank must lie from 0 to num_replicas - 1, got 2"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_progressive_sampling_goes_from_instance_to_class_balanced() -> None:
    targets = shuffled_targets([900, 90, 10])
    sampler = RebalancedSampler(targets, progressive_sampling([900, 90, 10], epochs=5), num_samples=50_000)
    for epoch, expected in ((0, [0.9, 0.09, 0.01]), (2, [0.616667, 0.211667, 0.171667]), (4, [1 / 3] * 3)):
        sampler.set_epoch(epoch)
        per_class = np.bincount(targets[list(sampler)], minlength=3)
        assert stats.chisquare(per_class, 50_000 * np.array(expected) / sum(expected)).pvalue > LIKELY
