"""Text files that list images, a path and a label a line, and what sources made of them have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from tailwise.data.image_list import Framing, ImageList, TrainCrop
from tailwise.data.images import decode_image
from tailwise.data.sources.base import ImageSize, SourceModel, Table
from tailwise.errors import InputError
from tailwise.reading import regular


class FramedSource(SourceModel):
    """Images that are not kept in memory; the options say which part of each is taken.

    Args:
        image_size: side in pixels of the square.
        resize: what the shorter side is brought to before the square is cut from the centre.
        train_crop: ``center``, or ``random-resized`` for a random part of the image in training.
        images: the folder that the paths of the list start from.
    """

    image_size: ImageSize = 224
    resize: ImageSize = 256
    train_crop: TrainCrop = "center"
    images: Path | None = None

    @model_validator(mode="after")
    def _check_resize(self) -> FramedSource:
        if self.resize < self.image_size:
            raise ValueError(f"resize must be at least image_size={self.image_size}, got {self.resize}")
        return self

    @property
    def framing(self) -> Framing:
        """Which part of an image is kept, at what size."""
        return Framing(self.image_size, self.resize, self.train_crop)

    def read_image(self, name: str, image: Path | bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Cut from the centre, as in testing."""
        return decode_image(name, image, self.image_size, crop=self.framing.center)

    def image_list(
        self,
        table: ListTable,
        rows: NDArray[np.int64],
        targets: NDArray[np.int64],
        class_names: tuple[str, ...],
        folder: Path,
    ) -> ImageList:
        """The wanted ``rows`` of a list; no file is looked for yet."""
        try:
            return ImageList(
                table.inputs(rows), targets, class_names, self.framing, folder, table.list_file, table.lines[rows]
            )
        except InputError as error:
            raise InputError(f"{table.list_file}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ListTable(Table):
    """A list of images as it is in its file; the inputs are the paths.

    Args:
        list_file: the file.
        lines: (N,) where each image is listed, from 1 on.
    """

    list_file: Path
    lines: NDArray[np.int64]


_NUMBER = re.compile(r"-?[0-9]{1,18}")


def is_number(label: str) -> bool:
    """Whether a label as it is written is a whole number."""
    return _NUMBER.fullmatch(label) is not None


def read_list(path: Path) -> ListTable:
    """Read lines of a path, white space and a label; empty lines are passed over.

    Labels are whole numbers where all are, and names otherwise.

    Raises:
        InputError: the file is not text, has no line, or one without a path or a label.
    """
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable text file ({error}); give lines of a path and a label") from error
    # The label is what stands last, as paths may have spaces in them.
    entries = [line.rsplit(None, 1) for line in text.split("\n")]
    lines = [number for number, entry in enumerate(entries, 1) if entry]
    if not lines:
        raise InputError(f"{path} lists no images; give lines of a path and a label")
    short = next((number for number in lines if len(entries[number - 1]) < 2), None)
    if short is not None:
        raise InputError(f"{path} has no path and label in line {short}; write the path, a space and the label")
    labels = [entry[1] for entry in entries if entry]
    numbers = all(map(is_number, set(labels)))
    return ListTable(
        np.array(list(map(int, labels)), dtype=np.int64) if numbers else np.array(labels, dtype=np.str_),
        np.array([entry[0].lstrip() for entry in entries if entry], dtype=np.str_).__getitem__,
        list_file=path,
        lines=np.array(lines, dtype=np.int64),
    )
