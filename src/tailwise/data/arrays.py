"""A labelled data set in memory: inputs, targets and the names of the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.data.labelled import Labelled
from tailwise.errors import InputError


@dataclass(frozen=True, eq=False)
class Arrays(Labelled):
    """Samples that fit in memory.

    Args:
        inputs: uint8 images (N, H, W, channels) or float32 features (N, F).
        targets: (N,) int64 class labels, 0 <= label < C.
        class_names: C names, in the order of the labels. A class may have no sample here.
        feature_names: F names, in the order of the features, where they have names.

    Raises:
        InputError: a shape, dtype, label or feature value other than the above, or two classes of one name.
    """

    inputs: NDArray[np.uint8] | NDArray[np.float32]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if (str(self.inputs.dtype), self.inputs.ndim) not in (("uint8", 4), ("float32", 2)):
            raise InputError(
                f"inputs must be uint8 images (N, H, W, channels) or float32 features (N, F), "
                f"got {self.inputs.dtype} of shape {self.inputs.shape}"
            )
        if len(self.inputs) != len(self.targets):
            raise InputError(f"inputs and targets must be equally many, got {len(self.inputs)} and {len(self.targets)}")
        if self.inputs.size == 0:
            raise InputError(f"a data set needs at least one sample, got inputs of shape {self.inputs.shape}")
        self._check_labels()
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
    def sample_shape(self) -> tuple[int, ...]:
        """(H, W, channels) of images, (F,) of features."""
        return self.inputs.shape[1:]

    @property
    def identity(self) -> tuple[NDArray[Any], ...]:
        """The inputs and the targets."""
        return self.inputs, self.targets

    def fitting_inputs(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """All of them."""
        return self.inputs

    def _select(self, rows: NDArray[Any], targets: NDArray[np.int64], class_names: tuple[str, ...]) -> Arrays:
        return replace(self, inputs=self.inputs[rows], targets=targets, class_names=class_names)


def first_non_finite(features: NDArray[np.generic]) -> tuple[int, int] | None:
    """Row and column of the first NaN or infinite value of (N, F) features, None where all are finite."""
    broken = np.argwhere(~np.isfinite(features))
    return (int(broken[0, 0]), int(broken[0, 1])) if broken.size else None
