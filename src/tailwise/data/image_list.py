"""A labelled list of image files, decoded when asked for: what does not fit in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailwise.data.images import Box, decode_image
from tailwise.data.labelled import Labelled
from tailwise.errors import InputError
from tailwise.reading import is_file

TrainCrop: TypeAlias = Literal["center", "random-resized"]

FITTED = 256
"""How many images, evenly spread over a list, stand for all of it where a model takes its mean and deviation."""
CHECKED = 100
_AREA = (0.08, 1.0)
_LOG_RATIO = math.log(4 / 3)
_ATTEMPTS = 10


@dataclass(frozen=True)
class Framing:
    """Which part of an image is kept, at what size.

    Args:
        image_size: side in pixels of the square.
        resize: what the shorter side is brought to before the square is cut from the centre; at least ``image_size``.
        train_crop: ``center``, or ``random-resized``: in training a part of 8% to 100% of the area and a ratio of
            3/4 to 4/3 anywhere in the image, as networks for ImageNet are trained with.
    """

    image_size: int = 224
    resize: int = 256
    train_crop: TrainCrop = "center"

    def center(self, width: int, height: int) -> Box:
        """The square in the middle."""
        side = min(width, height) * self.image_size / self.resize
        left, upper = (width - side) / 2, (height - side) / 2
        return left, upper, left + side, upper + side

    def random(self, generator: np.random.Generator, width: int, height: int) -> Box:
        """A part drawn for training; the square in the middle where none of ten draws fits into the image."""
        for _ in range(_ATTEMPTS):
            area = width * height * generator.uniform(*_AREA)
            ratio = math.exp(generator.uniform(-_LOG_RATIO, _LOG_RATIO))
            across, down = math.sqrt(area * ratio), math.sqrt(area / ratio)
            if across <= width and down <= height:
                left, upper = generator.uniform(0, width - across), generator.uniform(0, height - down)
                return left, upper, left + across, upper + down
        return self.center(width, height)


@dataclass(frozen=True, eq=False)
class ImageList(Labelled):
    """Image files and their labels.

    Args:
        paths: (N,) files, relative to ``folder`` or absolute.
        targets: (N,) int64 class labels, 0 <= label < C.
        class_names: C names, in the order of the labels. A class may have no sample here.
        framing: which part of each image is kept, at what size.
        folder: where relative paths start.
        list_file: the text file that lists them, for messages.
        lines: (N,) their lines in it, from 1 on.

    Raises:
        InputError: no path, a label outside the classes, or two classes of one name.
    """

    paths: NDArray[np.str_]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]
    framing: Framing = Framing()
    folder: Path = Path()
    list_file: Path | None = None
    lines: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        # An array, as the worker processes that decode share its memory; a tuple would be copied by use.
        object.__setattr__(self, "paths", np.asarray(self.paths, dtype=np.str_))
        if self.paths.ndim != 1 or self.paths.size == 0:
            raise InputError(f"an image list needs at least one path, got shape {self.paths.shape}")
        if len(self.paths) != len(self.targets):
            raise InputError(f"paths and targets must be equally many, got {len(self.paths)} and {len(self.targets)}")
        self._check_labels()

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """(image_size, image_size, 3)."""
        return self.framing.image_size, self.framing.image_size, 3

    @property
    def identity(self) -> tuple[NDArray[Any], ...]:
        """The paths and the targets; what is in the files is not read."""
        return np.char.encode(self.paths, "utf-8"), self.targets

    def fitting_inputs(self) -> NDArray[np.uint8]:
        """At most :data:`FITTED` images, evenly spread over the list, cut from the centre."""
        return self.decode(_spread(len(self.paths), FITTED))

    def decode(
        self, rows: NDArray[np.int64], entropy: Sequence[int] | None = None, places: slice = slice(None)
    ) -> NDArray[np.uint8]:
        """The images at ``rows`` (M,) as (M, image_size, image_size, 3) RGB.

        Args:
            rows: of a batch.
            entropy: what the crops for training are drawn from, with the place of the image in the batch, where they
                are random; None cuts from the centre.
            places: what of the batch is wanted, by default all; the others are as if they were not there.

        Raises:
            InputError: a file is missing or broken; the message names it and its line.
        """
        size = self.framing.image_size
        crop: Callable[[int, int], Box] = self.framing.center
        random = entropy is not None and self.framing.train_crop == "random-resized"
        first, last, _ = places.indices(len(rows))
        decoded = np.empty((last - first, size, size, 3), dtype=np.uint8)
        for place, row in enumerate(rows[places].tolist()):
            if random:
                crop = partial(self.framing.random, np.random.default_rng([*(entropy or ()), first + place]))
            decoded[place] = decode_image(self._name(row), self.folder / str(self.paths[row]), size, crop=crop)
        return decoded

    def check_files(self) -> None:
        """Look for at most :data:`CHECKED` of the files, evenly spread, so that a wrong folder is found at once.

        Raises:
            InputError: one is missing.
        """
        for row in _spread(len(self.paths), CHECKED).tolist():
            if not is_file(self.folder / str(self.paths[row])):
                raise InputError(
                    f"there is no image {self._name(row)}; put it there, or set images to the folder that the paths "
                    "of the list start from"
                )

    def _name(self, row: int) -> str:
        path = str(self.folder / str(self.paths[row]))
        return path if self.lines is None else f"{path} (line {self.lines[row]} of {self.list_file})"

    def _select(self, rows: NDArray[Any], targets: NDArray[np.int64], class_names: tuple[str, ...]) -> ImageList:
        lines = None if self.lines is None else self.lines[rows]
        return replace(self, paths=self.paths[rows], targets=targets, class_names=class_names, lines=lines)


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` of the rows 0 .. count-1, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)
