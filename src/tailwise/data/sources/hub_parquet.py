"""Parquet files of well-known data sets, as the Hugging Face hub lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import Split, arrays, find_under
from tailwise.data.sources.parquet import Parquet, column_names
from tailwise.errors import InputError

IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label", "fine_label")


def find_hub_parquet(root: Path | None, folder: str, split: Split) -> Path | None:
    """``FOLDER/train.parquet``, or the hub's own ``FOLDER/train-00000-of-00001.parquet``, where it exists."""
    return find_under(root, f"{folder}/{split}.parquet", f"{folder}/{split}-00000-of-00001.parquet")


def read_hub_parquet(
    path: Path, class_names: tuple[str, ...], shape: tuple[int, ...], image_size: int | None = None
) -> Arrays:
    """All images of a file, in its order.

    Images are in the column ``image`` or else ``img``, labels in ``label`` or else ``fine_label``: numbers of the
    classes, or what the file itself names them, which must then be of the ``class_names``.

    Args:
        path: file.
        class_names: C names of the data set.
        shape: (H, W, channels) that the images must have.
        image_size: side in pixels of the square all images are resized to; without it none is.

    Raises:
        InputError: the file is not of this form.
    """
    columns = column_names(path)
    reader = Parquet(
        train=path,
        image_column=_first(IMAGE_COLUMNS, columns),
        label_column=_first(_LABEL_COLUMNS, columns),
        image_size=image_size,
    )
    table = reader.read(path, None)
    if not len(table.labels):
        raise InputError(f"{path} holds no samples; fetch it anew")
    targets = _targets(path, table.labels, class_names)
    images = table.inputs(np.arange(len(targets)))
    if images.shape[1:] != shape:
        raise InputError(f"{path} must hold images of shape {shape}, got {images.shape[1:]}; fetch it anew")
    return arrays(path, images, targets, class_names)


def _first(candidates: Sequence[str], columns: Sequence[str]) -> str:
    return next((name for name in candidates if name in columns), candidates[0])


def _targets(path: Path, labels: NDArray[Any], class_names: tuple[str, ...]) -> NDArray[np.int64]:
    if labels.dtype.kind != "U":
        return labels.astype(np.int64)
    names, inverse = np.unique(labels, return_inverse=True)
    unknown = sorted(set(names.tolist()) - set(class_names))
    if unknown:
        raise InputError(f"{path} has a class {unknown[0]!r}, which is none of this data set's; fetch the file anew")
    return np.array([class_names.index(name) for name in names], dtype=np.int64)[inverse]
