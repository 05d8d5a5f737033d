"""Batches of equally many samples of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from sampling_cases import LIKELY, shuffled_targets
from tailwise.sampling import ClassBalancedBatchSampler, SamplesByClass, balanced_batch_draw, balanced_batches

COUNTS = [300, 30, 3, 17, 8]
TARGETS = shuffled_targets(COUNTS)


def sampler(**arguments: int) -> ClassBalancedBatchSampler:
    return ClassBalancedBatchSampler(TARGETS, **{"classes_per_batch": 3, "samples_per_class": 5, **arguments})


def epochs(batches: ClassBalancedBatchSampler, count: int) -> list[list[int]]:
    drawn = []
    for epoch in range(count):
        batches.set_epoch(epoch)
        drawn += list(batches)
    return drawn


@pytest.mark.parametrize(("classes", "samples"), [(1, 1), (2, 8), (5, 3), (5, 40)])
def test_every_batch_has_as_many_samples_of_as_many_classes(classes: int, samples: int) -> None:
    for batch in epochs(sampler(classes_per_batch=classes, samples_per_class=samples), 2):
        per_class = Counter(TARGETS[batch].tolist())
        assert len(per_class) == classes
        assert set(per_class.values()) == {samples}


def test_batch_repeats_a_sample_only_of_a_class_that_has_too_few() -> None:
    for batch in epochs(sampler(), 20):
        for label in set(TARGETS[batch]):
            drawn = [index for index in batch if TARGETS[index] == label]
            assert len(set(drawn)) == min(5, COUNTS[label])


def test_sample_comes_again_only_when_all_of_its_class_have_come() -> None:
    drawn = [index for batch in sampler(num_batches=200) for index in batch]
    for label, count in enumerate(COUNTS):
        of_class = [index for index in drawn if TARGETS[index] == label]
        assert len(of_class) > count
        for first in range(0, len(of_class) - count + 1, count):
            assert len(set(of_class[first : first + count])) == count


def test_classes_take_turns() -> None:
    per_class = np.bincount(TARGETS[np.concatenate(list(sampler(num_batches=50)))])
    assert per_class.tolist() == [50 * 3 // 5 * 5] * 5


def test_classes_and_samples_come_evenly() -> None:
    drawn = np.concatenate(epochs(sampler(), 100))
    per_class = np.bincount(TARGETS[drawn])
    assert stats.chisquare(per_class).pvalue > LIKELY
    per_sample = np.bincount(drawn, minlength=len(TARGETS))
    for label in range(5):
        assert stats.chisquare(per_sample[label == TARGETS]).pvalue > LIKELY


def test_pairs_of_classes_meet_evenly() -> None:
    pairs = Counter(tuple(sorted(set(TARGETS[batch].tolist()))) for batch in epochs(sampler(classes_per_batch=2), 40))
    assert len(pairs) == 10
    assert stats.chisquare(list(pairs.values())).pvalue > LIKELY


def test_epoch_has_as_many_samples_as_the_data() -> None:
    assert len(sampler()) == len(list(sampler())) == 24  # 358 samples in batches of 15
    assert len(sampler(num_batches=7)) == 7


def test_shards_take_turns_in_the_batches_of_one_process() -> None:
    whole = list(sampler(num_batches=9))
    shards = [list(sampler(num_batches=9, num_replicas=2, rank=rank)) for rank in range(2)]
    assert [len(shard) for shard in shards] == [5, 5]
    assert [batch for turn in zip(*shards, strict=True) for batch in turn][:9] == whole


def test_epoch_and_seed_change_the_batches_and_nothing_else_does() -> None:
    def drawn(seed: int, epoch: int) -> str:
        batches = sampler(seed=seed)
        batches.set_epoch(epoch)
        assert list(batches) == list(batches)
        return str(list(batches))

    assert len({drawn(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_fewer_batches_are_the_first_of_more() -> None:
    assert list(sampler(num_batches=4)) == list(sampler(num_batches=9))[:4]


def test_draw_has_the_batches_of_the_sampler_one_after_the_other() -> None:
    batches = sampler(seed=2)
    batches.set_epoch(3)
    drawn = balanced_batch_draw(SamplesByClass(TARGETS), 3, 5, seed=2)(3)
    assert drawn.tolist() == [index for batch in batches for index in batch]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sampler(classes_per_batch=6), "classes_per_batch must be at most 5, the number of classes, got 6"),
        (lambda: sampler(classes_per_batch=0), "classes_per_batch must be a whole number from 1 up, got 0"),
        (lambda: sampler(samples_per_class=0), "samples_per_class must be a whole number from 1 up, got 0"),
        (lambda: sampler(num_batches=0), "num_batches must be a whole number from 1 up, got 0"),
        (lambda: sampler(seed=-1), "seed must be a whole number from 0 up, got -1"),
        (lambda: ClassBalancedBatchSampler([0, 2], 1, 1), "class 1 has no samples, so none can be drawn"),
        (lambda: balanced_batch_draw(SamplesByClass([0, 1]), 3, 1, 0), "classes_per_batch must be at most 2"),
        (
            lambda: balanced_batches(SamplesByClass([0, 1]), 1, 1, -1, np.random.default_rng(0)),
            "num_batches must be a whole number from 0 up, got -1",
        ),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
