"""Draws: the samples of an epoch, which follow from (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tailwise.sampling.by_class import Indices, SamplesByClass
from tailwise.sampling.probabilities import checked_probabilities, require_samples

Draw: TypeAlias = Callable[[int], Indices]
"""Epoch -> the samples that it trains on, in order."""
Partners: TypeAlias = Callable[[int, int], Indices | None]
"""(epoch, number of samples) -> as many samples to pair them with, or None in an epoch without."""

STREAMS = {"sampling": 1, "mixing": 2, "partners": 3}
CHUNK = 1 << 16  # draws at a time: their intermediate results stay in the cache


def epoch_generator(seed: int, epoch: int, purpose: Literal["sampling", "mixing", "partners"]) -> np.random.Generator:
    """The random numbers of one purpose in one epoch; they follow from the arguments alone."""
    return np.random.default_rng((seed, epoch, STREAMS[purpose]))


def rebalanced_draw(samples: SamplesByClass, schedule: Callable[[int], ArrayLike | Tensor], seed: int) -> Draw:
    """As many draws as there are samples, by ``rebalanced_indices`` with the probabilities of the epoch."""

    def draw(epoch: int) -> Indices:
        generator = epoch_generator(seed, epoch, "sampling")
        return rebalanced_indices(samples, schedule(epoch), samples.counts.total, generator)

    return draw


def equalized_draw(samples: SamplesByClass, per_class: int, seed: int) -> Draw:
    """``equalized_indices``, drawn anew in each epoch; it refuses a class without samples at once."""
    require_samples(samples.counts, np.ones(len(samples.counts)))
    return lambda epoch: equalized_indices(samples, per_class, epoch_generator(seed, epoch, "sampling"))


def rebalanced_indices(
    samples: SamplesByClass, probabilities: ArrayLike | Tensor, num_samples: int, generator: np.random.Generator
) -> Indices:
    """Draw with replacement: a class c with probability P(c), then one of its n_c samples, each with 1 / n_c.

    A draw costs the same for any N and C (an alias table of the classes, one look-up in the sorted samples).

    Args:
        samples: to draw from.
        probabilities: (C,) P(c), sum 1; 0 for a class without samples.
        num_samples: number of draws.
        generator: of the draws; fewer draws from an equal one are the first of these.

    Returns:
        (num_samples,) indices into the targets.

    Raises:
        ValueError: the probabilities are not such, or ``num_samples`` is negative.
    """
    if num_samples < 0:
        raise ValueError(f"num_samples must not be negative, got {num_samples}")
    drawn = np.empty(num_samples, dtype=samples.indices.dtype)
    first = 0
    for chunk in drawn_in_chunks(samples, checked_probabilities(probabilities, samples.counts), num_samples, generator):
        drawn[first : first + len(chunk)] = chunk
        first += len(chunk)
    return drawn


def equalized_indices(samples: SamplesByClass, per_class: int, generator: np.random.Generator) -> Indices:
    """Exactly ``per_class`` samples of each class, in random order.

    A class of n_c samples gives all of them floor(per_class / n_c) times, and the rest at random without replacement.
    With the largest count this is random over-sampling (ROS), with the smallest random under-sampling (RUS).

    Args:
        samples: to draw from.
        per_class: samples of each class, positive.
        generator: of the draw and the order.

    Returns:
        (C * per_class,) indices into the targets.

    Raises:
        ValueError: a class has no samples, or ``per_class`` is not positive.
    """
    require_samples(samples.counts, np.ones(len(samples.counts)))
    if per_class < 1:
        raise ValueError(f"per_class must be at least 1, got {per_class}")
    parts = []
    for label in range(len(samples.counts)):
        members = samples.members(label)
        repeats, rest = divmod(per_class, len(members))
        picked = generator.choice(len(members), rest, replace=False, shuffle=False)
        parts += [np.tile(members, repeats), members[picked]]
    drawn: Indices = np.concatenate(parts)
    generator.shuffle(drawn)
    return drawn


def drawn_in_chunks(
    samples: SamplesByClass, probabilities: NDArray[np.float64], num_samples: int, generator: np.random.Generator
) -> Iterator[Indices]:
    """The draws of ``rebalanced_indices``, chunk by chunk."""
    classes, threshold, alias = _alias_table(probabilities)
    for first in range(0, num_samples, CHUNK):
        # Two numbers a draw, side by side, so that the draws do not depend on where a chunk ends.
        uniform = generator.random((min(CHUNK, num_samples - first), 2))
        place = uniform[:, 0] * len(classes)
        cell = place.astype(np.int64)
        label = np.where(place - cell < threshold[cell], classes[cell], alias[cell])
        # Below n_c for any count: the largest uniform is 1 - 2^-53.
        within = (uniform[:, 1] * samples.counts.counts[label]).astype(np.int64)
        yield samples.indices[samples.starts[label] + within]


def _alias_table(
    probabilities: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Cells of equal probability, each shared by two classes: (classes, threshold, alias).

    A cell i is drawn uniformly; it means ``classes[i]`` with probability ``threshold[i]``, otherwise ``alias[i]``.

    Source: Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", IEEE TSE 1991.
    """
    classes = np.flatnonzero(probabilities)  # the others must not be drawn, not even after rounding
    left = (probabilities[classes] * len(classes) / probabilities.sum()).tolist()
    threshold, alias = np.ones(len(classes)), classes.copy()
    small = [i for i, share in enumerate(left) if share < 1]
    large = [i for i, share in enumerate(left) if share >= 1]
    while small and large:
        cell, donor = small.pop(), large[-1]
        threshold[cell], alias[cell] = left[cell], classes[donor]
        left[donor] -= 1 - left[cell]
        if left[donor] < 1:
            small.append(large.pop())
    return classes, threshold, alias
