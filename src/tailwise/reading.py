"""Small files that others may have made: read as text or JSON, or refused, but never without end."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

from tailwise.errors import InputError

LONGEST_SHOWN = 400
LARGEST_JSON = 2**28
"""Bytes; the summary of a run on a hundred thousand classes has some ten million."""


def regular(path: Path) -> Path:
    """``path``, if it is no directory, pipe or device, from which reading might never end.

    Raises:
        OSError: it is.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file to read", str(path))
    return path


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file, and not whatever else a system may say of it, such as that its name is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_bytes(path: Path, most: int) -> bytes:
    """What a file holds.

    Raises:
        OSError: it is missing, cannot be read, is no file, or holds more than ``most`` bytes.
    """
    with regular(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def read_text(path: Path, most: int, encoding: str = "utf-8") -> str:
    """What a text file holds.

    Raises:
        OSError: as for ``read_bytes``.
        UnicodeDecodeError: it is in another encoding.
    """
    return read_bytes(path, most).decode(encoding)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as for ``read_bytes``.
        ValueError: it is no JSON, or in another encoding.
    """
    return parse_json(read_text(path, LARGEST_JSON))


def parse_json(text: str) -> Any:
    """What JSON says.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def shortened(path: Path) -> str:
    """A path for a message, without the middle of one that would fill the screen."""
    text = str(path)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:80]}...{text[-80:]}"


def expanded(path: str | Path) -> Path:
    """A path with ``~`` replaced by the home folder.

    Raises:
        InputError: it names the home of somebody who has none.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(f"there is no {path}: nobody has that home folder; correct the path") from None
