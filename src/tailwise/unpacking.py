"""What others have packed, read in memory: refused where it would unpack to more than there is room for."""

from __future__ import annotations

import errno
import gzip
import io
import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.errors import InputError, first_line
from tailwise.reading import regular

MEMBER = ".npy"
PIECE = 2**26


@cache
def memory_of_machine() -> int:
    """Bytes of memory that this process may have at most; 2**63 where the system does not tell."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))  # of a container
    except (AttributeError, OSError, ValueError):
        pass
    return min(limits, default=2**63)


def require_memory(name: object, size: int) -> None:
    """Refuse what is larger than the memory of the machine, before any of it is filled.

    Raises:
        InputError: ``size`` bytes are.
    """
    if size > memory_of_machine():
        raise InputError(
            f"{name} would take {size:,} bytes of memory, but the machine has {memory_of_machine():,}; "
            "give less data, or images as a list (image-list), which is streamed"
        )


class Gunzipped(io.RawIOBase):
    """The content of a gzip file, which ends in an error where it is longer than it may be.

    Args:
        path: file.
        most: bytes.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most, self._done = path, most, 0
        self._file = gzip.open(regular(path))  # noqa: SIM115

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next ``size`` bytes, or all that are left.

        Raises:
            OSError: there are more than there may be, or it is no gzip file.
        """
        left = self._most - self._done
        wanted = left + 1 if size is None or size < 0 else min(size, left + 1)
        content = self._file.read(wanted)
        self._done += len(content)
        if self._done > self._most:
            raise OSError(errno.EFBIG, f"it unzips to more than {self._most:,} bytes", str(self._path))
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def gunzip(path: Path, most: int) -> bytes:
    """All that a gzip file holds.

    Raises:
        OSError: it is none, or holds more than ``most`` bytes.
        EOFError, zlib.error: it is cut short or broken.
    """
    with Gunzipped(path, most) as unzipped:
        return unzipped.read()


def inflated_size(content: bytes, most: int) -> int:
    """To how many bytes zlib unpacks ``content``, of which no more than some are held; counted to about ``most``.

    Raises:
        zlib.error: it is broken.
    """
    unpacker, size = zlib.decompressobj(), 0
    while content and not unpacker.eof and size <= most:
        size += len(unpacker.decompress(content, PIECE))
        content = unpacker.unconsumed_tail
    return size


def read_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Arrays of an .npz file, without those of Python objects, which would have to be unpickled.

    Args:
        path: file.
        names: of the arrays that are wanted and there; by default all.

    Raises:
        InputError: they do not fit into memory.
        OSError: the file cannot be read.
        ValueError: it is broken, an array's header does not fit its bytes, or an array is one of objects.
    """
    try:
        with zipfile.ZipFile(regular(path)) as archive:
            members = {member.filename: member for member in archive.infolist()}
            found = [name.removesuffix(MEMBER) for name in members if name.endswith(MEMBER)]
            chosen = [name for name in found if names is None or name in names]
            # Not a byte more than a member says of itself is unpacked.
            require_memory(path, sum(members[f"{name}{MEMBER}"].file_size for name in chosen))
            return {name: _read_array(archive, members[f"{name}{MEMBER}"]) for name in chosen}
    except (InputError, OSError):
        raise
    except Exception as error:  # zipfile and numpy raise all kinds of exceptions on broken files
        raise ValueError(first_line(error)) from error


def array_names(path: Path) -> list[str]:
    """The arrays of an .npz file.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(regular(path)) as archive:
            return [name.removesuffix(MEMBER) for name in archive.namelist() if name.endswith(MEMBER)]
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} has {member.file_size:,} bytes, too few for its shape {shape}")
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array
