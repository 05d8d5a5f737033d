"""The training set of the GPPE paper: 50 threes and 1000 fives of MNIST."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, arrays, expected_at, find_under
from tailwise.data.sources.mnist import MNIST
from tailwise.errors import InputError
from tailwise.unpacking import gunzip

_MAJORITY, _MINORITY = 5, 3
_LARGEST_FILE = 2**24


class GPPEMNIST(SourceModel):
    """The authors' own 1050 training images, (N, 28, 28, 1); MNIST's threes and fives to test on.

    Class 0 is the fives (majority), class 1 the threes (minority).
    """

    summary: ClassVar = "the GPPE authors' training set, 1000 fives and 50 threes of MNIST; tests on MNIST's 3s and 5s"
    layout: ClassVar = "gppe-mnist/train_3_5_50_1000_{x,y}.npy.gz; for testing, the files of mnist"

    name: Literal["gppe-mnist"] = "gppe-mnist"

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split."""
        if split == "test":
            return MNIST().load(root, split).only_classes([_MAJORITY, _MINORITY])
        images_path, scaled = _read(root, "x")
        labels_path, labels = _read(root, "y")
        if scaled.ndim != 2 or scaled.shape[1] != 28 * 28 or scaled.dtype != np.float32:
            raise InputError(
                f"{images_path} must hold float32 (N, 784), got {scaled.dtype} of shape {scaled.shape}; fetch it anew"
            )
        pixels = scaled * 256  # exact: the authors divided bytes by 256
        if not ((pixels == np.floor(pixels)) & (pixels >= 0) & (pixels <= 255)).all():
            raise InputError(f"{images_path} must hold multiples of 1/256 from 0 to 255/256; fetch it anew")
        if labels.ndim != 1 or not np.isin(labels, (_MAJORITY, _MINORITY)).all():
            raise InputError(f"{labels_path} must hold a list of labels {_MINORITY} and {_MAJORITY}; fetch it anew")
        images = pixels.astype(np.uint8).reshape(-1, 28, 28, 1)
        return arrays(images_path, images, (labels == _MINORITY).astype(np.int64), (str(_MAJORITY), str(_MINORITY)))


def _read(root: Path | None, which: Literal["x", "y"]) -> tuple[Path, NDArray[Any]]:
    relative = f"gppe-mnist/train_3_5_50_1000_{which}.npy.gz"
    path = find_under(root, relative)
    if path is None:
        raise InputError(f"gppe-mnist needs the GPPE authors' training set; put it at {expected_at(root, relative)}")
    try:
        return path, np.load(BytesIO(gunzip(path, _LARGEST_FILE)), allow_pickle=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it anew") from error
