"""Samplers against the frequencies they promise, and what distributed training needs of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader

from tailwise.counts import ClassCounts
from tailwise.sampling import (
    CHUNK,
    RebalancedSampler,
    SamplesByClass,
    class_probabilities,
    equalized_indices,
    rebalanced_indices,
)
from tailwise.schedules import PhasedProgressiveSampling

COUNTS = [700, 0, 40, 9, 251]
LIKELY = 1e-3  # p-value of a fixed draw


def shuffled_targets(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def draw(probabilities: object, num_samples: int, targets: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    samples = SamplesByClass(shuffled_targets(COUNTS) if targets is None else targets)
    return rebalanced_indices(samples, probabilities, num_samples, np.random.default_rng(seed))  # type: ignore[arg-type]


def test_samples_by_class_are_the_stable_sort_of_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailwise.sampling.SORT_CHUNK", 64)
    targets = shuffled_targets(COUNTS)
    for given in (targets, targets.astype(np.uint8), torch.from_numpy(targets), targets.tolist()):
        samples = SamplesByClass(given)
        np.testing.assert_array_equal(samples.indices, np.argsort(targets, kind="stable"))
        assert samples.indices.dtype == np.int32
    for label in range(5):
        np.testing.assert_array_equal(samples.members(label), np.flatnonzero(targets == label))


def test_more_classes_than_sixteen_bits_are_sorted() -> None:
    targets = np.random.default_rng(0).integers(0, 70_000, 1000)
    np.testing.assert_array_equal(SamplesByClass(targets).indices, np.argsort(targets, kind="stable"))


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


def test_rules_give_powers_of_the_counts() -> None:
    counts = ClassCounts([900, 100, 0])
    np.testing.assert_allclose(class_probabilities("class-balanced", ClassCounts([900, 100])), [0.5, 0.5])
    np.testing.assert_allclose(class_probabilities("instance", counts), [0.9, 0.1, 0])
    np.testing.assert_allclose(class_probabilities("square-root", counts), [0.75, 0.25, 0])


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
    monkeypatch.setattr("tailwise.sampling.CHUNK", 64)  # shards go on across chunks
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


def test_process_group_gives_rank_and_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("is_initialized", True), ("get_world_size", 4), ("get_rank", 3)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    sampler = RebalancedSampler([0, 1] * 10)
    assert (sampler.num_replicas, sampler.rank, len(sampler)) == (4, 3, 5)


def test_epoch_and_seed_change_the_draw_and_nothing_else_does() -> None:
    def drawn(seed: int, epoch: int) -> tuple[int, ...]:
        sampler = RebalancedSampler(shuffled_targets([300, 30, 3]), seed=seed)
        sampler.set_epoch(epoch)
        first = tuple(sampler)
        torch.manual_seed(seed)
        assert tuple(sampler) == first
        return first

    assert len({drawn(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_schedule_is_followed() -> None:
    counts = [900, 90, 10]
    targets = shuffled_targets(counts)
    schedule = PhasedProgressiveSampling(counts, 2, 6, power=1.0)
    sampler = RebalancedSampler(targets, schedule, num_samples=50_000)
    for epoch in (0, 4, 6, 9):
        sampler.set_epoch(epoch)
        per_class = np.bincount(targets[list(sampler)], minlength=3)
        assert stats.chisquare(per_class, 50_000 * schedule(epoch).numpy()).pvalue > LIKELY


@pytest.mark.parametrize("workers", [0, 2])
def test_data_loader_takes_it(workers: int) -> None:
    targets = torch.from_numpy(shuffled_targets([300, 30, 3]))
    sampler = RebalancedSampler(targets, "square-root", num_samples=100)
    loader = DataLoader(targets, batch_size=32, sampler=sampler, num_workers=workers)  # type: ignore[arg-type]
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert [len(batch) for batch in batches] == [32, 32, 32, 4]
        assert torch.equal(torch.cat(batches), targets[list(sampler)])


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
        (lambda: RebalancedSampler([0, 1], "balanced"), "one of class-balanced, instance, square-root or C numbers"),  # type: ignore[arg-type]
        (lambda: RebalancedSampler([]), "non-empty list of labels"),
        (lambda: RebalancedSampler([0, 1], num_samples=0), "num_samples must be at least 1, got 0"),
        (lambda: RebalancedSampler([0, 1], num_replicas=2, rank=2), "rank must lie from 0 to num_replicas - 1, got 2"),
        (lambda: equalized_indices(SamplesByClass([0, 2]), 1, np.random.default_rng(0)), "class 1 has no samples"),
        (lambda: equalized_indices(SamplesByClass([0, 1]), 0, np.random.default_rng(0)), "per_class must be at least"),
        (lambda: draw([0.5, 0.5], 1), r"5 numbers, one per class, got shape \(2,\)"),
        (lambda: draw([1.0, 0, 0, 0, 0], -1), "num_samples must not be negative, got -1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
