"""The binary version of CIFAR-10 and CIFAR-100: records of label bytes and 3 x 32 x 32 pixels."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, expected_at, find_under
from tailwise.data.sources.hub_parquet import find_hub_parquet, read_hub_parquet
from tailwise.errors import InputError
from tailwise.reading import read_bytes
from tailwise.unpacking import Gunzipped

_PIXELS = 3 * 32 * 32
_LARGEST_FILE = 50_000 * (_PIXELS + 2)
_LARGEST_ARCHIVE = 2**28


class CIFARSource(SourceModel):
    """A data set in the binary files of CIFAR, unpacked or not, or else in Parquet."""

    folder: ClassVar[str]
    """Where its files may be under the data root."""
    archive: ClassVar[str]
    binary_folder: ClassVar[str]
    binary_files: ClassVar[dict[Split, tuple[str, ...]]]
    label_bytes: ClassVar[int]
    """Of a record; the last of them is the class."""
    class_names: ClassVar[tuple[str, ...]]

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split, (N, 32, 32, 3)."""
        files = [f"{self.binary_folder}/{name}" for name in self.binary_files[split]]
        unpacked = [find_under(root, f"{self.folder}/{file}", file) for file in files]
        if unpacked[0] is not None:
            for file, found in zip(files, unpacked, strict=True):
                if found is None:
                    raise InputError(f"there is no {file.rpartition('/')[2]} beside {unpacked[0]}; unpack it as well")
            return self._joined([self._records(str(path), _read(path)) for path in unpacked if path])
        if packed := find_under(root, f"{self.folder}/{self.archive}", self.archive):
            members = _read_members(packed, files)
            return self._joined([self._records(f"{file} in {packed}", members[file]) for file in files])
        if parquet := find_hub_parquet(root, self.folder, split):
            return read_hub_parquet(parquet, self.class_names, (32, 32, 3))
        raise InputError(
            f"{self.folder} needs {self.archive} of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked or not, or "
            f"{split}.parquet; put it at {expected_at(root, f'{self.folder}/{self.archive}')}"
        )

    def _records(self, name: str, content: bytes) -> Arrays:
        """Records one after the other: the label bytes, then 1024 red, green and blue values, row by row."""
        size = self.label_bytes + _PIXELS
        if not content or len(content) % size:
            raise InputError(f"{name} must hold records of {size} bytes, got {len(content)} bytes; fetch it anew")
        records = np.frombuffer(content, dtype=np.uint8).reshape(-1, size)
        images = records[:, self.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        try:
            return Arrays(images, records[:, self.label_bytes - 1].astype(np.int64), self.class_names)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error

    def _joined(self, parts: list[Arrays]) -> Arrays:
        images = np.concatenate([part.inputs for part in parts])
        return Arrays(images, np.concatenate([part.targets for part in parts]), self.class_names)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, _LARGEST_FILE)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it anew") from error


def _read_members(path: Path, names: list[str]) -> dict[str, bytes]:
    """Files of an archive, read in memory: nothing is unpacked to where the archive says."""
    contents: dict[str, bytes] = {}
    try:
        with Gunzipped(path, _LARGEST_ARCHIVE) as content, tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                if member.name in names and member.isfile() and member.size <= _LARGEST_FILE:
                    opened = archive.extractfile(member)
                    assert opened is not None  # as it is a file
                    contents[member.name] = opened.read()
                if len(contents) == len(names):
                    break
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it anew") from error
    missing = [name for name in names if name not in contents]
    if missing:
        raise InputError(f"{path} has no {missing[0]} of at most {_LARGEST_FILE} bytes; fetch it anew")
    return contents
