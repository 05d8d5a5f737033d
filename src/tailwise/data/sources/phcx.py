"""PHCX, the file format of the HTRU survey's pulsar candidates: gzipped XML with blocks of hexadecimal values."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from tailwise.errors import InputError
from tailwise.unpacking import gunzip

OPTIMISED = "FFT-pdmpd"
LARGEST = 32 * 2**20  # bytes; candidates have some hundred thousand
_LARGEST_BLOCK = 2**22


@dataclass
class _Block:
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)


def read_blocks(path: Path, names: Collection[str]) -> dict[str, NDArray[np.float32]]:
    """Blocks of a candidate's optimised section, each (nSub, nBins): sub-bands or sub-integrations by pulse phase.

    A block's text is one two-digit hexadecimal byte a value, white space ignored, and
    value = min + byte * (max - min) / 255.

    Args:
        path: file, gzipped.
        names: of the blocks, such as ``SubIntegrations`` and ``SubBands``.

    Raises:
        InputError: the file is not of this form, unzips to more than :data:`LARGEST` bytes, or declares entities.
    """
    try:
        content = gunzip(path, LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unzipped ({error}); fetch it anew") from error
    blocks = _optimised_blocks(path, content, names)
    missing = [name for name in names if name not in blocks]
    if missing:
        raise InputError(f"{path} has no {missing[0]} in a section {OPTIMISED}; fetch it anew")
    return {name: _values(f"{path}: {name}", blocks[name]) for name in names}


def _optimised_blocks(path: Path, content: bytes, names: Collection[str]) -> dict[str, _Block]:
    """Attributes and text of the blocks, without building a tree of the rest."""
    blocks: dict[str, _Block] = {}
    sections: list[str] = []
    current: list[_Block] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "Section":
            sections.append(attributes.get("name", ""))
        elif name in names and sections and sections[-1] == OPTIMISED:
            current.append(blocks.setdefault(name, _Block(attributes)))

    def end(name: str) -> None:
        if name == "Section":
            sections.pop()
        elif current and name in names:
            current.pop()

    def text(data: str) -> None:
        if current:
            current[-1].text.append(data)

    def refuse(*_: object) -> None:
        # Entities can grow without bound and name other files; candidates have none.
        raise InputError(f"{path} declares a document type, which no candidate does; fetch it anew")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise InputError(f"{path} is not well-formed XML ({error}); fetch it anew") from error
    return blocks


def _values(name: str, block: _Block) -> NDArray[np.float32]:
    attributes = block.attributes
    if (form := attributes.get("format")) != "02X":
        raise InputError(f"{name} must have format 02X, got {form}; fetch the file anew")
    sub, bins = (_attribute(name, attributes, key) for key in ("nSub", "nBins"))
    low, high = (_attribute(name, attributes, key) for key in ("min", "max"))
    if not (sub.is_integer() and bins.is_integer() and sub > 0 and bins > 0 and sub * bins <= _LARGEST_BLOCK):
        raise InputError(f"{name} must have a whole nSub and nBins, got {sub:g} and {bins:g}; fetch the file anew")
    digits = "".join("".join(block.text).split())
    expected = int(2 * sub * bins)
    if len(digits) != expected:
        raise InputError(f"{name} must have {expected} hexadecimal digits, got {len(digits)}; fetch the file anew")
    try:
        scaled = np.frombuffer(bytes.fromhex(digits), dtype=np.uint8)
    except ValueError as error:
        raise InputError(f"{name} has a digit that is not hexadecimal; fetch the file anew") from error
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below
        values = (low + scaled * (high - low) / 255).astype(np.float32).reshape(int(sub), int(bins))
    if not np.isfinite(values).all():
        raise InputError(f"{name} must have min and max in the range of float32, got {low:g} and {high:g}")
    return values


def _attribute(name: str, attributes: dict[str, str], key: str) -> float:
    try:
        value = float(attributes[key])
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{name} must have a number {key}, got {attributes.get(key)}; fetch the file anew")
    return value
