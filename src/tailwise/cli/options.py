"""Options that several commands share, and the values they parse to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from tailwise.errors import InputError

DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", envvar="TAILWISE_DATA", help="Folder of data sets.", show_default=False),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; repeatable.", show_default=False),
]
Compiled = Annotated[
    bool, typer.Option("--compile", help="Train through torch.compile; worth its minute in long runs on a GPU.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, help="CPU threads of a run; by default as many as it keeps busy.", show_default=False
    ),
]


def parse_seeds(text: str) -> list[int]:
    """``0-4``, ``3`` or ``0,2,5-7`` as a list of different seeds.

    Raises:
        InputError: the text is none of these.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        if not match:
            raise InputError(f"--seeds takes numbers and ranges such as 0-4 or 0,2,5, got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        seeds += range(first, last + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds must name at least one seed and none twice, got {text!r}")
    return seeds


def parse_counts(text: str) -> list[int]:
    """``1000,50`` as the samples of each class.

    Raises:
        InputError: the text is no list of whole numbers.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--counts takes whole numbers separated by commas such as 1000,50, got {text!r}") from None


def parse_names(option: str, text: str | None) -> list[str] | None:
    """A comma-separated list of different names; None where the option is not given.

    Raises:
        InputError: the option is given without a name, or with one twice.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise InputError(f"{option} takes different names separated by commas, got {text!r}")
    return names


def parse_tau(text: str | None) -> float | Literal["search"]:
    """A strength from 0 up, 1 where none is given, or the word "search".

    Raises:
        InputError: the text is neither.
    """
    if text == "search":
        return "search"
    try:
        tau = 1.0 if text is None else float(text)
    except ValueError:
        tau = -1.0
    if tau < 0:
        raise InputError(f"--tau takes a number from 0 up or the word search, got {text!r}")
    return tau
