"""Classes drawn by probability, one sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tailwise.hyperparameters import whole_number
from tailwise.sampling._sharded import ShardedSampler
from tailwise.sampling.by_class import Indices, SamplesByClass
from tailwise.sampling.draws import drawn_in_chunks, epoch_generator
from tailwise.sampling.probabilities import Rule, checked_probabilities, class_probabilities

Probabilities: TypeAlias = Rule | Sequence[float] | NDArray[np.floating] | Tensor | Callable[[int], Tensor]
"""Of the classes: a rule, (C,) numbers, or a schedule that gives them for an epoch."""


class RebalancedSampler(ShardedSampler[int]):
    """Draws a class, then one of its samples, with replacement; for the ``sampler`` argument of any ``DataLoader``.

    Every process makes the same draw from (seed, epoch) and keeps each ``num_replicas``-th of it, starting at its
    ``rank``. Lightning leaves it at that, with ``use_distributed_sampler`` or without. There is no limit at 2^24
    samples, and a draw costs the same for any number of samples and classes.

    Args:
        targets: (N,) integer labels, 0 <= label < C.
        probabilities: of the classes: "class-balanced" (1 / C), "instance" (n_c / N), "square-root" (as the square
            roots of n_c), "effective-number" (``effective_number_probabilities``), C numbers of sum 1, or a schedule
            such as ``progressive_sampling`` or ``PhasedProgressiveSampling``: epoch -> C numbers.
        num_samples: draws of an epoch over all processes, by default N; rounded up to a multiple of ``num_replicas``.
        seed: from 0.
        num_replicas: number of processes; by default those of ``torch.distributed`` at the time of the draw, or 1. Give
            1, and rank 0, to what deals out the batches of any loader itself, as Accelerate does.
        rank: of this process, from 0.

    Raises:
        ValueError: an argument is out of its range, or a class without samples has a probability above 0.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> sampler = RebalancedSampler([0] * 90 + [1] * 10)
        >>> loader = DataLoader(range(100), batch_size=20, sampler=sampler)
        >>> for epoch in range(2):
        ...     sampler.set_epoch(epoch)  # without this, every epoch draws the same
        ...     print(sum(len(batch) for batch in loader))
        100
        100
    """

    def __init__(
        self,
        targets: ArrayLike | Tensor,
        probabilities: Probabilities = "class-balanced",
        num_samples: int | None = None,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        given = probabilities(0) if callable(probabilities) else probabilities
        self.samples = SamplesByClass(targets, None if isinstance(given, str) else len(given))
        if isinstance(probabilities, str):
            probabilities = class_probabilities(probabilities, self.samples.counts).tolist()
        self.probabilities = probabilities
        self._probabilities_of(0)
        total = self.samples.counts.total if num_samples is None else num_samples
        self._draws = whole_number("num_samples", total, at_least=1)
        super().__init__(seed, num_replicas, rank)

    def _total(self) -> int:
        return self._draws

    def _drawn(self, total: int) -> Iterator[Indices]:
        generator = epoch_generator(self.seed, self.epoch, "sampling")
        return drawn_in_chunks(self.samples, self._probabilities_of(self.epoch), total, generator)

    def _probabilities_of(self, epoch: int) -> NDArray[np.float64]:
        given = self.probabilities(epoch) if callable(self.probabilities) else self.probabilities
        return checked_probabilities(given, self.samples.counts)
