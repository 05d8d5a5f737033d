"""Texts that others chose, shown on a terminal as text: none of them moves its cursor, colours it or renames it."""

from __future__ import annotations

import unicodedata

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


def _visible(character: str) -> str:
    if character in KEPT or not (unicodedata.category(character) in ("Cc", "Cs") or character in BIDIRECTIONAL):
        return character
    return chr(FIRST_PICTURE + ord(character)) if ord(character) < 32 else REPLACEMENT
