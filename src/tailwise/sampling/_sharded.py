"""What the samplers have in common: the epoch's draw, and the part of it that a process gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch.utils.data import DistributedSampler

from tailwise.distributed import is_distributed
from tailwise.hyperparameters import whole_number
from tailwise.sampling.by_class import Indices

T_co = TypeVar("T_co", covariant=True)
LISTED = 1 << 16


class ShardedSampler(DistributedSampler[T_co], ABC):
    """Every process makes the same draw from (seed, epoch) and keeps each ``num_replicas``-th of it.

    It starts at its ``rank``. That the class is a ``DistributedSampler`` tells Lightning not to shard a second time.

    Args:
        seed: from 0.
        num_replicas: number of processes; by default those of ``torch.distributed``, or 1.
        rank: of this process, from 0.

    Raises:
        ValueError: an argument is out of its range.
    """

    # DistributedSampler.__init__ is not called: it needs the process group at once, and sets up a shuffled data set.
    def __init__(self, seed: int, num_replicas: int | None, rank: int | None) -> None:
        self.seed = whole_number("seed", seed, at_least=0)
        self.epoch = 0
        self._given = (num_replicas, rank)
        self._check_rank()

    @property
    def num_replicas(self) -> int:  # type: ignore[override]  # torch sets an attribute, once
        """Number of processes; the process group may begin after the sampler was made."""
        given, _ = self._given
        if given is not None:
            return given
        return torch.distributed.get_world_size() if is_distributed() else 1

    @property
    def rank(self) -> int:  # type: ignore[override]
        """Of this process, from 0."""
        _, given = self._given
        if given is not None:
            return given
        return torch.distributed.get_rank() if is_distributed() else 0

    def __iter__(self) -> Iterator[T_co]:
        self._check_rank()
        position = 0
        for drawn in self._drawn(len(self) * self.num_replicas):
            own = drawn[(self.rank - position) % self.num_replicas :: self.num_replicas]
            for first in range(0, len(own), LISTED):  # as Python numbers they take many times the memory
                yield from own[first : first + LISTED].tolist()
            position += len(drawn)

    def __len__(self) -> int:
        return -(-self._total() // self.num_replicas)

    @abstractmethod
    def _total(self) -> int:
        """Draws of the epoch over all processes."""

    @abstractmethod
    def _drawn(self, total: int) -> Iterator[Indices]:
        """The first ``total`` draws of the epoch, in parts."""

    def _check_rank(self) -> None:
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"rank must lie from 0 to num_replicas - 1, got {self.rank} of {self.num_replicas}")
