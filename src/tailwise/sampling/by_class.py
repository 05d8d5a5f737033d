"""The indices of a data set's samples, class after class."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tailwise.conversion import as_array
from tailwise.counts import ClassCounts

Indices: TypeAlias = NDArray[np.signedinteger[Any]]
"""Indices of samples, (N,)."""

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
        labels = as_array(targets)
        self.counts = ClassCounts.from_targets(labels, num_classes)
        self.starts = np.cumsum(self.counts.counts) - self.counts.counts
        self.indices = _sorted_by_class(labels, self.counts.num_classes, self.starts)

    def members(self, label: int) -> Indices:
        """(n_c,) indices of the samples of one class, ascending."""
        return self.indices[self.starts[label] : self.starts[label] + self.counts[label]]


def index_type(num_samples: int) -> type[np.signedinteger[Any]]:
    """The smallest for so many."""
    return np.int32 if num_samples < 2**31 else np.int64


def _sorted_by_class(labels: NDArray[np.integer], num_classes: int, starts: NDArray[np.int64]) -> Indices:
    """A stable counting sort that needs little memory beside its result, for labels known to be valid."""
    indices = np.empty(len(labels), dtype=index_type(len(labels)))
    free = starts.copy()
    for first in range(0, len(labels), SORT_CHUNK):
        chunk = labels[first : first + SORT_CHUNK].astype(np.int64, copy=False)
        order = _stable_order(chunk)
        in_order = chunk[order]
        counts = np.bincount(chunk, minlength=num_classes)
        within = np.arange(len(chunk)) - (np.cumsum(counts) - counts)[in_order]
        indices[free[in_order] + within] = first + order
        free += counts
    return indices


def _stable_order(labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """What sorts labels from 0 up, those of one class as they stand; numpy sorts 16-bit numbers in linear time."""
    order: NDArray[np.int64] = np.argsort(labels.astype(np.uint16), kind="stable")
    for shift in range(16, int(labels.max()).bit_length(), 16):
        order = order[np.argsort((labels >> shift).astype(np.uint16)[order], kind="stable")]
    return order
