"""Repeat-factor sampling: every sample at least once an epoch, those with rare classes more often."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tailwise.conversion import as_array
from tailwise.counts import ClassCounts
from tailwise.hyperparameters import in_range
from tailwise.sampling._sharded import ShardedSampler
from tailwise.sampling.by_class import Indices, index_type
from tailwise.sampling.draws import Draw, epoch_generator

ROUNDED = 1 << 20
"""Factors that are rounded at a time."""


def repeat_factors(targets: ArrayLike | Tensor, threshold: float) -> NDArray[np.float64]:
    """(N,) how often each sample is seen in an epoch, on average: the largest factor of its classes.

        r_c = max(1, sqrt(t / f_c)),   f_c = n_c / N, the share of the samples that have class c

    Args:
        targets: (N,) integer labels, or (N, C) of 0 and 1 where a sample may have several classes or none.
        threshold: t; classes of at least this share are not repeated; 0 < t <= 1. LVIS takes 0.001.

    Raises:
        ValueError: the targets are neither, or the threshold is out of its range.

    Source: Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019.
    """
    threshold = in_range("threshold", threshold, above=0, at_most=1)
    labels = as_array(targets)
    if labels.ndim != 2:
        by_class = _class_factors(ClassCounts.from_targets(labels).counts, len(labels), threshold)
        factors: NDArray[np.float64] = by_class[labels]
        return factors
    if labels.size == 0 or labels.dtype.kind not in "biuf" or not ((labels == 0) | (labels == 1)).all():
        raise ValueError(
            f"targets of shape {labels.shape} must be 0 or 1 for each sample and class; "
            "a label for each sample has shape (N,)"
        )
    by_class = _class_factors(labels.sum(axis=0), len(labels), threshold)
    factors = np.ones(len(labels))
    for label in np.flatnonzero(by_class > 1):
        np.maximum(factors, by_class[label], out=factors, where=labels[:, label] == 1)
    return factors


def repeat_factor_indices(factors: NDArray[np.float64], generator: np.random.Generator) -> Indices:
    """Each sample as often as its factor says, in random order; what the factor has after the point is a probability.

    Args:
        factors: (N,) of ``repeat_factors``.
        generator: of the rounding and the order.

    Returns:
        (M,) indices into the targets, M about the sum of the factors.
    """
    repeats = _repeats(factors, generator)
    drawn: Indices = np.repeat(np.arange(len(factors), dtype=index_type(len(factors))), repeats)
    generator.shuffle(drawn)
    return drawn


def repeat_factor_draw(targets: ArrayLike | Tensor, threshold: float, seed: int) -> Draw:
    """``repeat_factor_indices``, rounded and ordered anew in each epoch."""
    factors = repeat_factors(targets, threshold)
    return lambda epoch: repeat_factor_indices(factors, epoch_generator(seed, epoch, "sampling"))


class RepeatFactorSampler(ShardedSampler[int]):
    """Every sample once an epoch, those of rare classes more often; for the ``sampler`` of any ``DataLoader``.

    A sample comes r times, the largest ``max(1, sqrt(threshold / f_c))`` of its classes, whose fractional part is
    rounded up or down at random in each epoch. The length of an epoch therefore differs a little from one to the next;
    ``len`` gives that of the present one.

    Every process makes the same draw from (seed, epoch) and keeps each ``num_replicas``-th of it, starting at its
    ``rank``; the first of the draw fill up what is missing to a multiple of ``num_replicas``. Lightning leaves it at
    that, with ``use_distributed_sampler`` or without.

    Args:
        targets: (N,) integer labels, or (N, C) of 0 and 1 where a sample may have several classes or none.
        threshold: t, see ``repeat_factors``.
        seed: from 0.
        num_replicas: number of processes; by default those of ``torch.distributed`` at the time of the draw, or 1.
        rank: of this process, from 0.

    Raises:
        ValueError: an argument is out of its range.

    Source: Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019.

    Example:
        >>> RepeatFactorSampler([0] * 99 + [1], threshold=0.25).factors[-1]
        np.float64(5.0)
    """

    def __init__(
        self,
        targets: ArrayLike | Tensor,
        threshold: float,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        self.factors = repeat_factors(targets, threshold)
        super().__init__(seed, num_replicas, rank)

    def _total(self) -> int:
        return int(_repeats(self.factors, epoch_generator(self.seed, self.epoch, "sampling")).sum())

    def _drawn(self, total: int) -> Iterator[Indices]:
        drawn = repeat_factor_indices(self.factors, epoch_generator(self.seed, self.epoch, "sampling"))
        yield drawn
        yield np.resize(drawn, total - len(drawn))


def _class_factors(counts: NDArray[np.int64], num_samples: int, threshold: float) -> NDArray[np.float64]:
    """(C,) r_c; 1 for a class without samples."""
    frequencies = np.maximum(counts, 1) / num_samples
    return np.where(counts > 0, np.sqrt(np.maximum(threshold / frequencies, 1)), 1.0)


def _repeats(factors: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    repeats = np.empty(len(factors), dtype=np.int64)
    for first in range(0, len(factors), ROUNDED):
        part = factors[first : first + ROUNDED]
        whole = np.floor(part)
        repeats[first : first + ROUNDED] = whole + (generator.random(len(part)) < part - whole)
    return repeats
