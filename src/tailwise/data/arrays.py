"""A labelled data set in memory: inputs, targets and the names of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tailwise.counts import ClassCounts
from tailwise.errors import InputError


@dataclass(frozen=True, eq=False)
class Arrays:
    """Samples that fit in memory.

    Args:
        inputs: uint8 images (N, H, W, channels) or float32 features (N, F).
        targets: (N,) int64 class labels, 0 <= label < C.
        class_names: C names, in the order of the labels. A class may have no sample here.

    Raises:
        InputError: a shape, dtype, label or feature value other than the above, or two classes of one name.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if (str(self.inputs.dtype), self.inputs.ndim) not in (("uint8", 4), ("float32", 2)):
            raise InputError(
                f"inputs must be uint8 images (N, H, W, channels) or float32 features (N, F), "
                f"got {self.inputs.dtype} of shape {self.inputs.shape}"
            )
        if str(self.targets.dtype) != "int64" or self.targets.ndim != 1:
            raise InputError(f"targets must be int64 (N,), got {self.targets.dtype} of shape {self.targets.shape}")
        if len(self.inputs) != len(self.targets):
            raise InputError(f"inputs and targets must be equally many, got {len(self.inputs)} and {len(self.targets)}")
        if self.inputs.size == 0:
            raise InputError(f"a data set needs at least one sample, got inputs of shape {self.inputs.shape}")
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
        if not self.is_image and (broken := first_non_finite(self.inputs)):
            row, column = broken
            raise InputError(
                f"features must be finite float32 numbers, got {self.inputs[row, column]} in row {row}, "
                f"column {column}; fill in or drop such samples"
            )

    @property
    def is_image(self) -> bool:
        """Whether the inputs are images rather than features."""
        return self.inputs.ndim == 4

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.class_names)

    @property
    def counts(self) -> ClassCounts:
        """Samples per class, 0 for a class without any."""
        return ClassCounts.from_targets(self.targets, self.num_classes)

    def subset(self, indices: ArrayLike) -> Arrays:
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
        return Arrays(self.inputs[rows], self.targets[rows], self.class_names)

    def only_classes(self, classes: Sequence[int]) -> Arrays:
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
        rows = targets >= 0
        return Arrays(self.inputs[rows], targets[rows], tuple(self.class_names[kept] for kept in classes))


def first_non_finite(features: NDArray[np.generic]) -> tuple[int, int] | None:
    """Row and column of the first NaN or infinite value of (N, F) features, None where all are finite."""
    broken = np.argwhere(~np.isfinite(features))
    return (int(broken[0, 0]), int(broken[0, 1])) if broken.size else None
