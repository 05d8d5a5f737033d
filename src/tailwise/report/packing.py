"""Numbers as short text for a page: base64 of few bytes each, which its script unpacks."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

SHARE_UNITS = 60000
NO_SHARE = 65535


def pack_whole(values: NDArray[np.int64]) -> str:
    """Whole numbers from 0 up, seven bits a byte, least first; the top bit says that more follow (LEB128).

    Raises:
        ValueError: a number is negative.
    """
    if (values < 0).any():
        raise ValueError(f"numbers to pack must be from 0 up, got {values.min()}")
    sizes = np.ones(len(values), dtype=np.int64)
    while (longer := values >> (7 * sizes)).any():
        sizes += longer > 0
    ends = sizes.cumsum()
    content = np.zeros(int(ends[-1]) if len(values) else 0, dtype=np.uint8)
    for byte in range(int(sizes.max(initial=0))):
        rows = sizes > byte
        more = np.where(sizes[rows] > byte + 1, 0x80, 0)
        content[(ends - sizes)[rows] + byte] = (values[rows] >> (7 * byte)) & 0x7F | more
    return _text(content.tobytes())


def pack_sparse(cells: NDArray[np.int64], counts: NDArray[np.int64]) -> str:
    """Counts at ascending cells: the step from the cell before (the first from -1) and the count, in turns."""
    steps = np.diff(cells, prepend=-1)
    return pack_whole(np.stack([steps, counts], axis=1).reshape(-1))


def pack_shares(values: NDArray[np.float64]) -> str:
    """Numbers in 0..1 to 1/60000, two bytes each, least first; NaN becomes 65535."""
    units = np.where(np.isnan(values), NO_SHARE, np.round(np.nan_to_num(values) * SHARE_UNITS))
    return _text(units.astype("<u2").tobytes())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
