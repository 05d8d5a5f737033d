"""NumPy archives: images or features with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tailwise import unpacking
from tailwise.data.arrays import first_non_finite
from tailwise.data.sources.base import Table, UserSource, locate
from tailwise.errors import InputError
from tailwise.unpacking import array_names


class Npz(UserSource):
    """Two arrays in an .npz file.

    Args:
        train: file.
        test: file; by default a stratified ``test_fraction`` of the training file.
        inputs: name of the array of uint8 images (N, H, W) or (N, H, W, channels), or of numeric features (N, F).
        targets: name of the array of labels (N,), integers or strings.
    """

    summary: ClassVar = "your own NumPy archive: images or features, and labels"
    layout: ClassVar = "train: FILE.npz, test: FILE.npz (or test_fraction), inputs: ARRAY, targets: ARRAY"

    name: Literal["npz"] = "npz"
    train: Path
    test: Path | None = None
    inputs: str = "inputs"
    targets: str = "targets"

    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """The two files."""
        return locate(self.train, root), self.test and locate(self.test, root)

    def read(self, path: Path, train: Table | None) -> Table:
        """Read a file."""
        given, labels = read_arrays(path, self.inputs, self.targets)
        if labels.ndim != 1 or labels.dtype.kind not in "iuU":
            raise InputError(
                f"{path}: array {self.targets!r} must hold integer or string labels (N,), "
                f"got {labels.dtype} of shape {labels.shape}"
            )
        if given.ndim == 0 or len(given) != len(labels):
            raise InputError(
                f"{path}: arrays {self.inputs!r} and {self.targets!r} must be equally long, "
                f"got shapes {given.shape} and {labels.shape}"
            )
        if given.ndim == 3:
            given = given[..., None]
        if given.ndim == 2 and given.dtype.kind in "iuf":
            with np.errstate(over="ignore"):  # what overflows is reported below
                given = given.astype(np.float32)
            if broken := first_non_finite(given):
                raise InputError(
                    f"{path}: array {self.inputs!r} must hold finite float32 features, got {given[broken]} in "
                    f"row {broken[0]}, column {broken[1]}; fill in or drop such samples"
                )
        return Table(labels, given.__getitem__)


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of an .npz file by their names.

    Raises:
        InputError: the file cannot be read, or has not all of them.
    """
    try:
        there = array_names(path)
        if missing := [name for name in names if name not in there]:
            raise InputError(f"{path} has no array {missing[0]!r}; it has {', '.join(there) or 'none'}")
        arrays = unpacking.read_arrays(path, names)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable .npz file ({error}); write it with numpy.savez, without Python objects"
        ) from error
    return [arrays[name] for name in names]
