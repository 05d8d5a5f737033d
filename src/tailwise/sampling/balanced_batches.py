"""Batches of exactly so many samples of so many classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor
from typing_extensions import Self

from tailwise.hyperparameters import whole_number
from tailwise.sampling._sharded import ShardedSampler
from tailwise.sampling.by_class import Indices, SamplesByClass
from tailwise.sampling.draws import Draw, epoch_generator
from tailwise.sampling.probabilities import require_samples

PART = 1 << 16
"""Samples that are drawn at a time."""


def balanced_batches(
    samples: SamplesByClass,
    classes_per_batch: int,
    samples_per_class: int,
    num_batches: int,
    generator: np.random.Generator,
) -> Indices:
    """Batches of ``samples_per_class`` samples of each of ``classes_per_batch`` classes.

    The classes take turns in random order, and so do the samples of a class: none comes again before all have come. A
    batch has a sample twice only where its class has fewer than ``samples_per_class``.

    Args:
        samples: to draw from.
        classes_per_batch: from 1 to C.
        samples_per_class: from 1.
        num_batches: from 0.
        generator: of the orders; fewer batches from an equal one are the first of these.

    Returns:
        (num_batches, classes_per_batch * samples_per_class) indices into the targets, class after class.

    Raises:
        ValueError: a class has no samples, or a number is out of its range.
    """
    _check(samples, classes_per_batch, samples_per_class)
    whole_number("num_batches", num_batches, at_least=0)
    batches = np.empty((num_batches, classes_per_batch * samples_per_class), dtype=samples.indices.dtype)
    first = 0
    for part in _in_parts(samples, classes_per_batch, samples_per_class, num_batches, generator):
        batches[first : first + len(part)] = part
        first += len(part)
    return batches


def balanced_batch_draw(samples: SamplesByClass, classes_per_batch: int, samples_per_class: int, seed: int) -> Draw:
    """The batches of ``ClassBalancedBatchSampler``, one after the other; it refuses wrong numbers at once."""
    _check(samples, classes_per_batch, samples_per_class)
    num_batches = _epoch_length(samples, classes_per_batch, samples_per_class)

    def draw(epoch: int) -> Indices:
        generator = epoch_generator(seed, epoch, "sampling")
        return balanced_batches(samples, classes_per_batch, samples_per_class, num_batches, generator).reshape(-1)

    return draw


class ClassBalancedBatchSampler(ShardedSampler[list[int]]):
    """Batches of exactly as many samples of each class; for the ``batch_sampler`` argument of any ``DataLoader``.

    The classes take turns in random order, and so do the samples of a class: none comes again before all have come. A
    batch has a sample twice only where its class has fewer than ``samples_per_class``.

    Every process makes the same draw from (seed, epoch) and keeps each ``num_replicas``-th batch, starting at its
    ``rank``. Lightning cannot see that a batch sampler does so, and refuses to shard it: give
    ``use_distributed_sampler=False`` to Fabric's ``setup_dataloaders`` or to the ``Trainer``. They still call
    ``set_epoch``.

    Args:
        targets: (N,) integer labels, 0 <= label < C.
        classes_per_batch: from 1 to C.
        samples_per_class: from 1.
        num_batches: batches of an epoch over all processes, by default as many as N samples fill, the last one counted
            whole; rounded up to a multiple of ``num_replicas``.
        seed: from 0.
        num_replicas: number of processes; by default those of ``torch.distributed`` at the time of the draw, or 1.
        rank: of this process, from 0.

    Raises:
        ValueError: an argument is out of its range, or a class has no samples.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> batches = ClassBalancedBatchSampler([0] * 90 + [1] * 10, classes_per_batch=2, samples_per_class=8)
        >>> loader = DataLoader([0] * 90 + [1] * 10, batch_sampler=batches)
        >>> {int(labels.sum()) for labels in loader}
        {8}
    """

    def __init__(
        self,
        targets: ArrayLike | Tensor,
        classes_per_batch: int,
        samples_per_class: int,
        num_batches: int | None = None,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        self.samples = SamplesByClass(targets)
        self.classes_per_batch = classes_per_batch
        self.samples_per_class = samples_per_class
        _check(self.samples, classes_per_batch, samples_per_class)
        if num_batches is None:
            num_batches = _epoch_length(self.samples, classes_per_batch, samples_per_class)
        self.num_batches = whole_number("num_batches", num_batches, at_least=1)
        super().__init__(seed, num_replicas, rank)

    @property
    def sampler(self) -> Self:
        """Itself: Lightning tells ``batch_sampler.sampler`` the epoch."""
        return self

    def _total(self) -> int:
        return self.num_batches

    def _drawn(self, total: int) -> Iterator[Indices]:
        generator = epoch_generator(self.seed, self.epoch, "sampling")
        return _in_parts(self.samples, self.classes_per_batch, self.samples_per_class, total, generator)


def _in_parts(
    samples: SamplesByClass,
    classes_per_batch: int,
    samples_per_class: int,
    num_batches: int,
    generator: np.random.Generator,
) -> Iterator[Indices]:
    """The batches of ``balanced_batches``, so many at a time that none of a long epoch is made before it is needed."""
    classes = _Deck(np.arange(len(samples.counts)), generator)
    members: dict[int, _Deck] = {}
    together = max(1, PART // (classes_per_batch * samples_per_class))
    for first in range(0, num_batches, together):
        part = np.empty(
            (min(together, num_batches - first), classes_per_batch, samples_per_class), dtype=samples.indices.dtype
        )
        for batch in part:
            for row, label in zip(batch, classes.take(classes_per_batch).tolist(), strict=True):
                if label not in members:
                    members[label] = _Deck(samples.members(label), generator)
                row[:] = members[label].take(samples_per_class)
        yield part.reshape(len(part), -1)


def _check(samples: SamplesByClass, classes_per_batch: int, samples_per_class: int) -> None:
    num_classes = len(samples.counts)
    require_samples(samples.counts, np.ones(num_classes))
    whole_number("samples_per_class", samples_per_class, at_least=1)
    if whole_number("classes_per_batch", classes_per_batch, at_least=1) > num_classes:
        raise ValueError(
            f"classes_per_batch must be at most {num_classes}, the number of classes, got {classes_per_batch}"
        )


def _epoch_length(samples: SamplesByClass, classes_per_batch: int, samples_per_class: int) -> int:
    """Batches that hold as many samples as there are, the last one counted whole."""
    return -(-samples.counts.total // (classes_per_batch * samples_per_class))


class _Deck:
    """Cards in random order, shuffled anew when all of them have been taken."""

    def __init__(self, cards: Indices, generator: np.random.Generator) -> None:
        self.cards = cards
        self.generator = generator
        self.left = cards[:0]

    def take(self, count: int) -> Indices:
        """The next ``count`` cards; none twice if there are as many."""
        hand = self.left[:count]
        self.left = self.left[count:]
        while len(hand) < count:
            shuffled = self.generator.permutation(self.cards)
            # Those in the hand come last, so that it gets none of them again.
            shuffled = shuffled[np.argsort(np.isin(shuffled, hand), kind="stable")]
            missing = count - len(hand)
            hand, self.left = np.concatenate([hand, shuffled[:missing]]), shuffled[missing:]
        return hand
