"""A figure as a file: the kinds there are, the same look everywhere, the same bytes again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure

from tailwise.errors import InputError
from tailwise.training.run_directory import write_atomically

LITERAL = {"text.parse_math": False}  # a dollar in a method's name begins no formula
# Text stays text, which readers can search and machines can read; the same figure gives the same bytes.
SVG = {"svg.fonttype": "none", "svg.hashsalt": "tailwise"}


def check_figure_path(path: Path) -> str:
    """The kind of image that the ending of a file asks for.

    Raises:
        InputError: it is neither .png nor .svg.
    """
    image_format = path.suffix.lower().removeprefix(".")
    if image_format not in ("png", "svg"):
        raise InputError(f"a figure is written as .png or .svg, got {str(path)!r}; change the ending of --out")
    return image_format


def write_figure(path: Path, draw: Callable[[], Figure]) -> None:
    """Draw a figure to a file.

    Args:
        path: .png or .svg.
        draw: makes the figure; called once the ending of the file is known to be one of these.

    Raises:
        InputError: the file is of another kind or cannot be written.
    """
    image_format = check_figure_path(path)
    content = figure_bytes(image_format, draw)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another --out") from error


def figure_bytes(image_format: str, draw: Callable[[], Figure], transparent: bool = False) -> bytes:
    """Draw a figure as "png" or "svg", with no other background than that of the page where it is transparent."""
    as_svg = image_format == "svg"
    content = io.BytesIO()
    # A user's own matplotlib settings (a dark style, LaTeX fonts) must not decide whether the figure is readable.
    with matplotlib.style.context(["default", LITERAL, SVG] if as_svg else ["default", LITERAL]):
        metadata = {"Date": None} if as_svg else None
        draw().savefig(content, format=image_format, dpi=150, metadata=metadata, transparent=transparent)
    return content.getvalue()
