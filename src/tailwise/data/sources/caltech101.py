"""Caltech-101: photographs of objects, naturally imbalanced."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import (
    ImageSize,
    SourceModel,
    Split,
    Table,
    arrays,
    encode,
    expected_at,
    find_under,
    split_rows,
)
from tailwise.data.sources.image_folder import ImageFolder
from tailwise.data.sources.parquet import Parquet
from tailwise.errors import InputError
from tailwise.reading import expanded

_FOLDER = "101_ObjectCategories"
_FILE = "caltech101/all.parquet"
_NO_OBJECT = "BACKGROUND_Google"
_SEED = 42

Part: TypeAlias = Literal["train", "validation", "test"]


class Caltech101(SourceModel):
    """8 677 images of 101 kinds of objects, 31 to 800 of each, resized to (N, image_size, image_size, 3).

    The split is 60 / 20 / 20, stratified, seed 42. Of each class, with its images in the order of their names, a
    fifth (rounded) is drawn for testing by :func:`split_rows`, then a quarter (rounded) of the rest for validation in
    the same way; the others are for training. Validation images are in neither split of a recipe: ask for them with
    :meth:`load_part`.

    Args:
        image_size: side in pixels of the square all images are resized to.

    Source: Fei-Fei et al., "Learning Generative Visual Models from Few Training Examples", CVPR workshop 2004; the
    proportions are those of the GPPE paper.
    """

    summary: ClassVar = (
        "objects, 5 201 + 1 736 colour images brought to 65 x 65 pixels, 101 classes of 31 to 800 images"
    )
    layout: ClassVar = "caltech101/101_ObjectCategories/CLASS/*.jpg, or caltech101/all.parquet"

    name: Literal["caltech101"] = "caltech101"
    image_size: ImageSize = 65

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split."""
        return self.load_part(root, split)

    def load_part(self, root: Path | None, part: Part) -> Arrays:
        """Read the training, the validation or the test images."""
        path, table = self._table(root)
        objects = np.flatnonzero(table.labels != _NO_OBJECT)
        class_names = tuple(
            name for name in table.class_names or np.unique(table.labels).astype(str).tolist() if name != _NO_OBJECT
        )
        targets = encode(table.labels[objects], class_names, path)
        rows = part_rows(targets, part)
        return arrays(path, table.inputs(objects[rows]), targets[rows], class_names)

    def _table(self, root: Path | None) -> tuple[Path, Table]:
        for place in (f"caltech101/{_FOLDER}", _FOLDER):
            if root is not None and (folder := expanded(root) / place).is_dir():
                return folder, ImageFolder(path=folder, image_size=self.image_size).read(folder, None)
        if path := find_under(root, _FILE):
            return path, Parquet(train=path, image_size=self.image_size).read(path, None)
        raise InputError(
            f"caltech101 needs the folder {_FOLDER} of https://data.caltech.edu/records/mzrjq-6wc02, or all.parquet; "
            f"put it at {expected_at(root, f'caltech101/{_FOLDER}')}"
        )


def part_rows(targets: NDArray[np.int64], part: Part) -> NDArray[np.int64]:
    """Ascending rows of one part of the split."""
    if part == "test":
        return split_rows(targets, "test", test_fraction=0.2, seed=_SEED)
    rest = split_rows(targets, "train", test_fraction=0.2, seed=_SEED)
    return rest[split_rows(targets[rest], "test" if part == "validation" else "train", test_fraction=0.25, seed=_SEED)]
