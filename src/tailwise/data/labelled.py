"""What labelled data have in common, whether they are in memory or decoded when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self

from tailwise.counts import ClassCounts
from tailwise.errors import InputError


class Labelled(ABC):
    """N samples with labels (N,) int64, 0 <= label < C, and the names of the C classes."""

    targets: NDArray[np.int64]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None

    @property
    @abstractmethod
    def sample_shape(self) -> tuple[int, ...]:
        """(H, W, channels) of images, (F,) of features."""

    @property
    @abstractmethod
    def identity(self) -> tuple[NDArray[Any], ...]:
        """Arrays that differ where the samples or their labels do."""

    @abstractmethod
    def fitting_inputs(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Inputs (M, ...) from which a model takes its shape, mean and standard deviation."""

    @abstractmethod
    def _select(self, rows: NDArray[Any], targets: NDArray[np.int64], class_names: tuple[str, ...]) -> Self:
        """The samples at ``rows``, labelled anew."""

    @property
    def kind(self) -> str:
        """Dtype and shape of a sample, in words."""
        dtype = "uint8" if len(self.sample_shape) == 3 else "float32"
        return f"{dtype} samples of shape {self.sample_shape}"

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def counts(self) -> ClassCounts:
        """Samples per class, 0 for a class without any."""
        return ClassCounts.from_targets(self.targets, self.num_classes)

    def subset(self, indices: ArrayLike) -> Self:
        """The samples at (M,) integer ``indices``, in that order, with all class names kept.

        Raises:
            InputError: no index, one that is not a whole number, or one outside 0 .. N-1.
        """
        rows = np.asarray(indices)
        if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
            raise InputError(f"indices must be a non-empty list of integers, got {rows.dtype} of shape {rows.shape}")
        if rows.min() < 0 or rows.max() >= len(self.targets):
            outside = rows.min() if rows.min() < 0 else rows.max()
            raise InputError(f"indices must lie from 0 to {len(self.targets) - 1}, got {outside}")
        return self._select(rows, self.targets[rows], self.class_names)

    def only_classes(self, classes: Sequence[int]) -> Self:
        """The samples of the listed classes, relabelled in the listed order.

        Args:
            classes: labels to keep; ``[5, 3]`` of MNIST makes the fives class 0 and the threes class 1.

        Raises:
            InputError: a class that is unknown or listed twice, or no sample is left.
        """
        relabelled = np.full(self.num_classes, -1, dtype=np.int64)
        for label, kept in enumerate(classes):
            if not 0 <= kept < self.num_classes:
                raise InputError(f"classes must lie from 0 to {self.num_classes - 1}, got {kept}")
            if relabelled[kept] >= 0:
                raise InputError(f"classes must each be listed once, got {kept} twice")
            relabelled[kept] = label
        targets = relabelled[self.targets]
        rows = np.flatnonzero(targets >= 0)
        return self._select(rows, targets[rows], tuple(self.class_names[kept] for kept in classes))

    def _check_labels(self) -> None:
        """Refuse labels outside the classes, and two classes of one name."""
        if str(self.targets.dtype) != "int64" or self.targets.ndim != 1:
            raise InputError(f"targets must be int64 (N,), got {self.targets.dtype} of shape {self.targets.shape}")
        if len(set(self.class_names)) < self.num_classes:
            twice = next(name for name in self.class_names if self.class_names.count(name) > 1)
            raise InputError(f"class names must differ, got {twice!r} twice")
        outside = np.flatnonzero((self.targets < 0) | (self.targets >= self.num_classes))
        if outside.size:
            row = int(outside[0])
            raise InputError(
                f"labels must lie from 0 to {self.num_classes - 1} for {self.num_classes} class names, "
                f"got {self.targets[row]} in row {row}"
            )
