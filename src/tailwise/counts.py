"""How many training samples each class has, and what follows from it."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, overload, runtime_checkable

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from tailwise.conversion import as_array

MOST_CLASSES = 2**27
"""That labels are counted for: the largest label decides how many there are."""


@runtime_checkable
class _HasArray(Protocol):
    def __array__(self) -> NDArray[np.generic]: ...


class ShotGroups(NamedTuple):
    """Class indices by how often the class occurs in training."""

    many: NDArray[np.int64]
    medium: NDArray[np.int64]
    few: NDArray[np.int64]


class ClassCounts:
    """Training samples per class: n_c for c = 0 .. C-1.

    Args:
        counts: C non-negative whole numbers as a list, array, tensor or ``ClassCounts``; at least one is positive.
            A class may have count 0 (it is missing from this split); losses that divide by a count refuse it.

    ``counts[c]`` is an int; any other index that numpy takes (a slice, indices, a mask) gives an int64 array, so that
    ``counts[counts.groups().few]`` are the counts of the rare classes. ``counts == other`` is one bool: the same
    numbers, in another ``ClassCounts``, a list, tuple, array or tensor.

    Raises:
        TypeError: the counts are not numbers.
        ValueError: the counts are empty, not one-dimensional, negative, not whole numbers, all zero, or sum to 2**63
            or more, which no int64 holds.

    Example:
        >>> counts = ClassCounts([500, 50, 5])
        >>> counts.imbalance_factor
        100.0
        >>> counts.groups().few.tolist()
        [2]
    """

    def __init__(self, counts: CountsLike) -> None:
        self.counts = _whole_numbers(counts)
        self.counts.setflags(write=False)

    @classmethod
    def from_targets(cls, targets: ArrayLike | torch.Tensor, num_classes: int | None = None) -> ClassCounts:
        """Count the labels of a data set.

        Args:
            targets: (N,) integer labels, 0 <= label < num_classes.
            num_classes: C; by default the largest label plus one.

        Raises:
            ValueError: no labels, a label that is not a whole number, negative, or not below ``num_classes``.
        """
        labels = as_array(targets)
        if labels.ndim != 1 or labels.size == 0:
            raise ValueError(f"targets must be a non-empty list of labels, got shape {labels.shape}")
        if labels.dtype.kind not in "iu":
            raise ValueError(f"targets must be integer labels, got {labels.dtype}; convert them with .astype(int)")
        if labels.min() < 0:
            raise ValueError(f"targets must be labels from 0 up, got {labels.min()}; drop ignored samples first")
        if num_classes is not None and labels.max() >= num_classes:
            raise ValueError(f"target {labels.max()} is out of range for {num_classes} classes; labels start at 0")
        if labels.max() >= MOST_CLASSES:
            raise ValueError(
                f"target {labels.max()} would be of more than {MOST_CLASSES:,} classes; number them from 0 up"
            )
        return cls(np.bincount(labels.astype(np.int64, copy=False), minlength=num_classes or 0))

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.counts)

    @property
    def total(self) -> int:
        """N, the number of samples."""
        return int(self.counts.sum())

    @property
    def priors(self) -> NDArray[np.float64]:
        """(C,) class frequencies pi_c = n_c / N."""
        return np.asarray(self.counts / self.total, dtype=np.float64)

    @property
    def imbalance_factor(self) -> float:
        """Largest count over smallest: max_c n_c / min_c n_c; infinite where a class is missing."""
        smallest = int(self.counts.min())
        return int(self.counts.max()) / smallest if smallest else float("inf")

    @property
    def gini(self) -> float:
        """Gini coefficient of the counts: 0 when all are equal, towards 1 as one class holds everything.

        sum_i sum_j |n_i - n_j| / (2 C N).
        """
        ascending = np.sort(self.counts).astype(np.float64)
        rank = np.arange(1, len(ascending) + 1)
        return float(((2 * rank - len(ascending) - 1) * ascending).sum() / (len(ascending) * ascending.sum()))

    def groups(self, many: int = 100, few: int = 20) -> ShotGroups:
        """Split the classes into many (n_c > ``many``), few (n_c < ``few``) and medium (between, both included).

        Source: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019.
        """
        if few > many:
            raise ValueError(f"few={few} must not exceed many={many}: classes between the two are the medium ones")
        return ShotGroups(
            many=np.flatnonzero(self.counts > many),
            medium=np.flatnonzero((self.counts >= few) & (self.counts <= many)),
            few=np.flatnonzero(self.counts < few),
        )

    def tensor(self) -> torch.Tensor:
        """(C,) int64 tensor of the counts, a copy."""
        return torch.tensor(self.counts, dtype=torch.int64)

    def __array__(self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        return self.counts.astype(dtype or self.counts.dtype)

    def __len__(self) -> int:
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[np.generic]) -> NDArray[np.int64]: ...

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[np.generic]) -> Any:
        chosen = self.counts[index]
        return chosen if isinstance(chosen, np.ndarray) else int(chosen)

    def __iter__(self) -> Iterator[int]:
        return iter(self.counts.tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (ClassCounts, list, tuple, np.ndarray, torch.Tensor)):
            return np.array_equal(self.counts, as_array(other) if isinstance(other, torch.Tensor) else other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))  # a tuple of the same numbers is equal, so it must hash alike

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.counts[:8].tolist())) + (", ..." if len(self) > 8 else "")
        return f"ClassCounts([{shown}], num_classes={len(self)}, imbalance_factor={self.imbalance_factor:g})"


CountsLike: TypeAlias = ClassCounts | Sequence[int] | NDArray[np.generic] | torch.Tensor | _HasArray
"""What ``class_counts`` arguments take."""


def _whole_numbers(counts: CountsLike) -> NDArray[np.int64]:
    try:
        given = as_array(counts)
    except ValueError as error:  # numpy's, where rows are of different lengths
        raise ValueError(f"class_counts must be a list with one count per class, got {counts!r}") from error
    if isinstance(counts, Mapping):
        raise ValueError("class_counts must be a list with one count per class, got a dict; give its values in order")
    if given.ndim != 1 or given.size == 0:
        got = f"shape {given.shape}" if given.ndim else reprlib.repr(counts)
        raise ValueError(f"class_counts must be a non-empty list with one count per class, got {got}")
    if given.dtype.kind not in "iuf":
        raise TypeError(
            f"class_counts must be whole numbers, got {given.dtype}; pass one integer below 2**63 per class"
        )
    if given.dtype.kind == "f" and not np.array_equal(given, np.floor(given)):
        odd = int(np.flatnonzero(given != np.floor(given))[0])
        raise ValueError(
            f"class_counts must be whole numbers, got {given[odd]} for class {odd}; pass counts, not priors"
        )
    if not np.isfinite(given).all():
        raise ValueError("class_counts must be finite whole numbers, got an infinite one; pass one integer per class")
    if given.min() < 0:
        odd = int(np.flatnonzero(given < 0)[0])
        raise ValueError(f"class_counts must not be negative, got {given[odd]} for class {odd}")
    if given.max() == 0:
        raise ValueError("class_counts are all zero; count the training targets with ClassCounts.from_targets")
    total = sum(map(int, given.tolist()))
    if total >= 2**63:
        raise ValueError(
            f"class_counts must sum to less than 2**63, got {total}; give each class its number of samples"
        )
    return given.astype(np.int64)
