"""HTRU Medlat: diagnostic images of pulsar candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import ImageSize, SourceModel, Split, arrays, expected_at
from tailwise.data.sources.phcx import read_blocks
from tailwise.errors import InputError
from tailwise.reading import expanded

_FOLDER = "htru-medlat"
_KINDS = ("RFI", "pulsars")
_BLOCKS: dict[str, tuple[str, ...]] = {
    "subintegrations": ("SubIntegrations",),
    "subbands": ("SubBands",),
    "both": ("SubIntegrations", "SubBands"),
}


class HTRUMedlat(SourceModel):
    """Candidates of two classes, RFI and pulsar, as images (N, image_size, image_size, channels).

    An image is the optimised section's sub-integrations or sub-bands by pulse phase, resampled (bilinear) to a square
    and spread from its own minimum and maximum over 0 .. 255; ``both`` has the one and the other as two channels.
    Training takes the first files of each class sorted by name, testing those from some number on: the defaults are
    the GPPE paper's.

    Args:
        image: ``subintegrations``, ``subbands`` or ``both``.
        image_size: side in pixels.
        train_pulsars: how many pulsars to train on.
        train_rfi: how many interference candidates to train on.
        test_pulsars_from: how many pulsars stand before the first test pulsar.
        test_rfi_from: how many interference candidates stand before the first test one.

    Source: Morello et al., "SPINN: a straightforward machine learning solution to the pulsar candidate selection
    problem", MNRAS 2014: 1 196 pulsars and 89 996 interference candidates.
    """

    summary: ClassVar = "pulsar candidates as 64 x 64 diagnostic images, 360 pulsars and 27 000 RFI to train on"
    layout: ClassVar = "htru-medlat/pulsars/*.phcx.gz and htru-medlat/RFI/*.phcx.gz"

    name: Literal["htru-medlat"] = "htru-medlat"
    image: Literal["subintegrations", "subbands", "both"] = "subintegrations"
    image_size: ImageSize = 64
    train_pulsars: Annotated[int, Field(ge=1)] = 360
    train_rfi: Annotated[int, Field(ge=1)] = 27_000
    test_pulsars_from: Annotated[int, Field(ge=1)] = 600
    test_rfi_from: Annotated[int, Field(ge=1)] = 45_000

    @model_validator(mode="after")
    def _check_splits_apart(self) -> HTRUMedlat:
        for kind, (train, test) in self._limits.items():
            if test < train:
                raise ValueError(
                    f"test_{kind.lower()}_from must be at least train_{kind.lower()}={train}, or training samples are "
                    f"tested on, got {test}"
                )
        return self

    @property
    def _limits(self) -> dict[str, tuple[int, int]]:
        return {
            "RFI": (self.train_rfi, self.test_rfi_from),
            "pulsars": (self.train_pulsars, self.test_pulsars_from),
        }

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split; class 0 is RFI, class 1 the pulsars."""
        by_kind = [self._files(root, kind, split) for kind in _KINDS]
        files = [file for chosen in by_kind for file in chosen]
        shape = (self.image_size, self.image_size, len(_BLOCKS[self.image]))
        images = np.empty((len(files), *shape), dtype=np.uint8)
        for row, file in enumerate(files):
            images[row] = self.read_image(str(file), file, shape)
        targets = np.repeat(np.arange(2), [len(chosen) for chosen in by_kind])
        return arrays(files[0].parents[1], images, targets, ("RFI", "pulsar"))

    def read_image(self, name: str, image: Path | bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """The diagnostic image of a candidate, ``*.phcx.gz``."""
        if isinstance(image, bytes):
            raise InputError(f"{name}: candidates are read from files *.phcx.gz alone")
        names = _BLOCKS[self.image]
        blocks = read_blocks(image, names)
        return np.stack([_picture(blocks[name], self.image_size) for name in names], axis=2)

    def _files(self, root: Path | None, kind: str, split: Split) -> list[Path]:
        """The candidates of one class and split, sorted by name."""
        folder = None if root is None else expanded(root) / _FOLDER / kind
        if folder is None or not folder.is_dir():
            raise InputError(
                f"htru-medlat needs the candidates of the HTRU Medlat training data; put the folder of {kind} at "
                f"{expected_at(root, f'{_FOLDER}/{kind}')}"
            )
        files = sorted(folder.glob("*.phcx.gz"))
        train, test = self._limits[kind]
        option, needed = (
            (f"train_{kind.lower()}", train) if split == "train" else (f"test_{kind.lower()}_from", test + 1)
        )
        if len(files) < needed:
            raise InputError(
                f"{folder} must hold at least {needed} files *.phcx.gz, got {len(files)}; "
                f"add the others or lower {option}"
            )
        return files[:train] if split == "train" else files[test:]


def _picture(values: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """(nSub, nBins) resampled to (size, size), its smallest value 0 and its largest 255; all 0 where they are equal."""
    resampled = np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR), dtype=np.float64)
    low, high = resampled.min(), resampled.max()
    if low == high:
        return np.zeros((size, size), dtype=np.uint8)
    spread: NDArray[np.uint8] = np.rint((resampled - low) * (255 / (high - low))).astype(np.uint8)
    return spread
