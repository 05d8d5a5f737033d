"""Samplers that draw rare classes more often: which samples an epoch trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Sampler

from tailwise.counts import ClassCounts

Rule = Literal["class-balanced", "instance", "square-root"]
Probabilities: TypeAlias = Rule | Sequence[float] | NDArray[np.floating] | Tensor | Callable[[int], Tensor]
Indices: TypeAlias = NDArray[np.signedinteger[Any]]
Draw: TypeAlias = Callable[[int], Indices]
"""Epoch -> the samples that it trains on, in order."""

POWERS: dict[Rule, float] = {"class-balanced": 0.0, "instance": 1.0, "square-root": 0.5}
STREAMS = {"sampling": 1, "mixing": 2}
CHUNK = 1 << 16  # draws at a time: their intermediate results stay in the cache
SORT_CHUNK = 1 << 20


class SamplesByClass:
    """The indices of a data set's samples, class after class: what draws by class are made from.

    Keeps one index per sample, of 4 bytes below 2^31 samples, and not the targets.

    Args:
        targets: (N,) integer labels, 0 <= label < C.
        num_classes: C; by default the largest label plus one.

    Raises:
        ValueError: there are no labels, or one that is not a whole number, negative, or not below ``num_classes``.
    """

    def __init__(self, targets: ArrayLike | Tensor, num_classes: int | None = None) -> None:
        labels = np.asarray(targets.detach().cpu() if isinstance(targets, Tensor) else targets)
        self.counts = ClassCounts.from_targets(labels, num_classes)
        self.starts = np.cumsum(self.counts.counts) - self.counts.counts
        self.indices = _sorted_by_class(labels, self.counts.num_classes, self.starts)

    def members(self, label: int) -> Indices:
        """(n_c,) indices of the samples of one class, ascending."""
        return self.indices[self.starts[label] : self.starts[label] + self.counts[label]]


def class_probabilities(rule: Rule, counts: ClassCounts) -> NDArray[np.float64]:
    """(C,) probabilities n_c^q / sum_k n_k^q: "instance" has q = 1, "square-root" q = 1/2, "class-balanced" q = 0.

    Raises:
        ValueError: there is no such rule, or "class-balanced" meets a class without samples.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """
    if rule not in POWERS:
        raise ValueError(f"probabilities must be one of {', '.join(get_args(Rule))} or C numbers, got {rule!r}")
    shares = counts.counts.astype(np.float64) ** POWERS[rule]
    return _checked(shares / shares.sum(), counts)


def epoch_generator(seed: int, epoch: int, purpose: Literal["sampling", "mixing"]) -> np.random.Generator:
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
    _require_samples(samples.counts, np.ones(len(samples.counts)))
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
    for chunk in _draws(samples, _checked(probabilities, samples.counts), num_samples, generator):
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
    _require_samples(samples.counts, np.ones(len(samples.counts)))
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


class RebalancedSampler(Sampler[int]):
    """Draws a class, then one of its samples, with replacement; for the ``sampler`` argument of any ``DataLoader``.

    Every process makes the same draw from (seed, epoch) and keeps each ``num_replicas``-th of it, starting at its
    ``rank``. There is no limit at 2^24 samples, and a draw costs the same for any number of samples and classes.

    Args:
        targets: (N,) integer labels, 0 <= label < C.
        probabilities: of the classes: "class-balanced" (1 / C), "instance" (n_c / N), "square-root" (as the square
            roots of n_c), C numbers of sum 1, or a schedule such as ``PhasedProgressiveSampling``: epoch -> C numbers.
        num_samples: draws of an epoch over all processes, by default N; rounded up to a multiple of ``num_replicas``.
        seed: from 0.
        num_replicas: number of processes; by default those of ``torch.distributed``, or 1.
        rank: of this process, from 0.

    Raises:
        ValueError: an argument is out of its range, or a class without samples has a probability above 0.

    Example:
        >>> sampler = RebalancedSampler([0] * 90 + [1] * 10)
        >>> loader = torch.utils.data.DataLoader(range(100), batch_size=20, sampler=sampler)
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
        self.num_samples = self.samples.counts.total if num_samples is None else num_samples
        if self.num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.seed = seed
        self.epoch = 0
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if num_replicas is None:
            num_replicas = torch.distributed.get_world_size() if distributed else 1
        if rank is None:
            rank = torch.distributed.get_rank() if distributed else 0
        if not 0 <= rank < num_replicas:
            raise ValueError(f"rank must lie from 0 to num_replicas - 1, got {rank} of {num_replicas}")
        self.num_replicas = num_replicas
        self.rank = rank

    def set_epoch(self, epoch: int) -> None:
        """Draw for ``epoch``, from 0, in the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.num_samples // self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        generator = epoch_generator(self.seed, self.epoch, "sampling")
        position = 0
        total = len(self) * self.num_replicas
        for chunk in _draws(self.samples, self._probabilities_of(self.epoch), total, generator):
            yield from chunk[(self.rank - position) % self.num_replicas :: self.num_replicas].tolist()
            position += len(chunk)

    def _probabilities_of(self, epoch: int) -> NDArray[np.float64]:
        given = self.probabilities(epoch) if callable(self.probabilities) else self.probabilities
        return _checked(given, self.samples.counts)


def _draws(
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


def _checked(probabilities: ArrayLike | Tensor, counts: ClassCounts) -> NDArray[np.float64]:
    given = probabilities.detach().cpu() if isinstance(probabilities, Tensor) else probabilities
    checked = np.asarray(given, dtype=np.float64)
    if checked.shape != (len(counts),):
        raise ValueError(f"probabilities must be {len(counts)} numbers, one per class, got shape {checked.shape}")
    if not np.isfinite(checked).all() or checked.min() < 0 or abs(checked.sum() - 1) > 1e-4:
        raise ValueError(f"probabilities must not be negative and must sum to 1, got sum {checked.sum():g}")
    _require_samples(counts, checked)
    return checked


def _require_samples(counts: ClassCounts, probabilities: NDArray[np.float64]) -> None:
    empty = np.flatnonzero((counts.counts == 0) & (probabilities > 0))
    if empty.size:
        raise ValueError(f"class {empty[0]} has no samples, so none can be drawn; leave the class out of the data")


def _sorted_by_class(labels: NDArray[np.integer], num_classes: int, starts: NDArray[np.int64]) -> Indices:
    """A stable counting sort that needs little memory beside its result, for labels known to be valid."""
    index_type: type[np.signedinteger[Any]] = np.int32 if len(labels) < 2**31 else np.int64
    indices = np.empty(len(labels), dtype=index_type)
    free = starts.copy()
    for first in range(0, len(labels), SORT_CHUNK):
        # numpy sorts 16-bit numbers in linear time
        chunk = labels[first : first + SORT_CHUNK].astype(np.uint16 if num_classes <= 1 << 16 else np.int64)
        order = np.argsort(chunk, kind="stable")
        in_order = chunk[order]
        counts = np.bincount(chunk, minlength=num_classes)
        within = np.arange(len(chunk)) - (np.cumsum(counts) - counts)[in_order]
        indices[free[in_order] + within] = first + order
        free += counts
    return indices
