"""What an SVG figure says in words."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree


def svg_texts(path: Path) -> list[str]:
    """The text of each text element, in the order of the file."""
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
