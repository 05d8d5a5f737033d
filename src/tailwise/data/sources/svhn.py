"""SVHN: digits of house numbers."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.io
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, arrays, expected_at, find_under
from tailwise.data.sources.hub_parquet import find_hub_parquet, read_hub_parquet
from tailwise.errors import InputError, first_line
from tailwise.reading import regular
from tailwise.unpacking import inflated_size

_DIGITS = tuple(str(digit) for digit in range(10))
_NUMBERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "single", "double")
_HEADER = 128
_COMPRESSED = 15  # the type of such a part of a MATLAB file
_LARGEST = 2**29
_ZERO = 10  # what the MATLAB files write for the digit 0


class SVHN(SourceModel):
    """73 257 training and 26 032 test images of cropped digits, (N, 32, 32, 3).

    Source: Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011.
    """

    summary: ClassVar = "digits of house numbers, 73 257 + 26 032 colour images of 32 x 32 pixels, 10 classes"
    layout: ClassVar = (
        "svhn/{train,test}_32x32.mat of http://ufldl.stanford.edu/housenumbers, or svhn/{train,test}.parquet"
    )

    name: Literal["svhn"] = "svhn"

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split; class c is the digit c."""
        file = f"{split}_32x32.mat"
        if path := find_under(root, f"svhn/{file}", f"SVHN/{file}"):
            images, labels = _read(path)
            return arrays(path, images, np.where(labels == _ZERO, 0, labels).astype(np.int64), _DIGITS)
        if path := find_hub_parquet(root, "svhn", split):
            return read_hub_parquet(path, _DIGITS, (32, 32, 3))
        raise InputError(
            f"svhn needs {file} of http://ufldl.stanford.edu/housenumbers (cropped digits), or {split}.parquet; "
            f"put it at {expected_at(root, f'svhn/{file}')}"
        )


def _require_true_sizes(path: Path) -> None:
    """Refuse parts that unpack to more than the data set has: scipy unpacks them whole, whatever they claim to be."""
    with regular(path).open("rb") as file:
        order = "<" if file.read(_HEADER)[-2:] == b"IM" else ">"
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(f"{order}II", tag)
            if kind != _COMPRESSED:
                file.seek(size, 1)
                continue
            if inflated_size(file.read(size), _LARGEST) > _LARGEST:
                raise InputError(f"{path} unpacks to more than {_LARGEST:,} bytes; fetch it anew")


def _read(path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Images (N, 32, 32, 3) and labels 1..10 (N,) of a MATLAB 5 file."""
    try:
        _require_true_sizes(path)
        # What a file says it holds is looked at first, so that nothing but numbers is ever read from it.
        holds = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(str(path), appendmat=False)}
        shape, kind = holds.get("X", ((), "nothing"))
        if len(shape) != 4 or shape[:3] != (32, 32, 3) or kind != "uint8":
            raise InputError(
                f"{path} must hold X of uint8 (32, 32, 3, N), got {kind} of shape {shape}; "
                "fetch the cropped digits (format 2) anew"
            )
        shape, kind = holds.get("y", ((), "nothing"))
        if len(shape) != 2 or 1 not in shape or kind not in _NUMBERS:
            raise InputError(f"{path} must hold y of numbers (N, 1), got {kind} of shape {shape}; fetch it anew")
        content = scipy.io.loadmat(str(path), appendmat=False, variable_names=["X", "y"])
    except InputError:
        raise
    except Exception as error:  # scipy raises all kinds of exceptions on broken files
        reason = first_line(error)
        raise InputError(f"{path} is not a readable MATLAB 5 file ({reason}); fetch it anew") from error
    labels = content["y"].ravel()
    outside = np.flatnonzero(~np.isin(labels, np.arange(1, _ZERO + 1)))
    if outside.size:
        raise InputError(
            f"{path} has label {labels[outside[0]]} in row {outside[0]}; labels are 1 to 9, and 10 for the digit 0"
        )
    return np.ascontiguousarray(content["X"].transpose(3, 0, 1, 2)), labels
