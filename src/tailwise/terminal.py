"""Texts that others chose, shown on a terminal as text: none of them moves its cursor, colours it or renames it."""

from __future__ import annotations

import sys
import unicodedata
from typing import IO

BIDIRECTIONAL = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows."""
KEPT = frozenset("\n\t")
FIRST_PICTURE = 0x2400
"""Of Unicode's pictures of the 32 control characters."""
REPLACEMENT = "\ufffd"


def visible(text: str) -> str:
    """The text with each control character replaced by its picture: U+241B for the one that begins escapes.

    Line ends and tabs stay; what has no picture, such as a half of a character, becomes U+FFFD.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def echo(text: str, err: bool = False) -> None:
    """Print a line with its control characters visible."""
    print(visible(text), file=sys.stderr if err else sys.stdout)


class VisibleStream:
    """What is written to a terminal, with its control characters visible; what goes elsewhere is as it is."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(visible(text) if self._stream.isatty() else text)


def _visible(character: str) -> str:
    if character in KEPT or not (unicodedata.category(character) in ("Cc", "Cs") or character in BIDIRECTIONAL):
        return character
    return chr(FIRST_PICTURE + ord(character)) if ord(character) < 32 else REPLACEMENT
