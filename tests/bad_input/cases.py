"""What an entry of the corpus of bad input is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Words: TypeAlias = Sequence[str | Path]


@dataclass(frozen=True)
class BadCommand:
    """Bad input of a command.

    Args:
        name: what is wrong.
        make: writes what the command reads into an empty folder, which is the working folder, and gives its words.
        parts: of the one line that answers.
        code: 2 where the input is wrong, 1 where something else is.
        lines: that answer; predict says which files it leaves out, and then how many.
    """

    name: str
    make: Callable[[Path], Words]
    parts: tuple[str, ...]
    code: int = 2
    lines: int = 1


@dataclass(frozen=True)
class BadCall:
    """Bad input of a call in Python: ``parts`` are of the message of the ValueError, TypeError or IndexError."""

    name: str
    call: Callable[[], Any]
    parts: tuple[str, ...]
    error: type[Exception] = ValueError


def named(case: BadCommand | BadCall) -> str:
    """The id of a case in pytest."""
    return case.name.replace(" ", "-")
