"""Packed numbers against a decoder of their formats, written here byte by byte."""

from __future__ import annotations

import base64
import itertools

import numpy as np
import pytest

from tailwise.report.packing import pack_shares, pack_sparse, pack_whole


def unpacked(text: str) -> list[int]:
    values, value, shift = [], 0, 0
    for byte in base64.b64decode(text):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value, shift = 0, 0
    return values


@pytest.mark.parametrize("values", [[], [0], [127, 128, 0, 16383, 16384, 2**40, 1]])
def test_whole_numbers_of_any_size_come_back(values: list[int]) -> None:
    assert unpacked(pack_whole(np.array(values, dtype=np.int64))) == values


def test_small_numbers_take_a_byte_each() -> None:
    assert len(base64.b64decode(pack_whole(np.arange(128)))) == 128


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="from 0 up, got -3"):
        pack_whole(np.array([1, -3]))


def test_sparse_counts_come_back_at_their_cells() -> None:
    cells, counts = np.array([0, 5, 6, 1000]), np.array([3, 1, 700, 2])
    numbers = unpacked(pack_sparse(cells, counts))
    places = itertools.accumulate(numbers[::2], initial=-1)
    assert dict(zip(list(places)[1:], numbers[1::2], strict=True)) == dict(
        zip(cells.tolist(), counts.tolist(), strict=True)
    )


def test_shares_come_back_to_a_sixty_thousandth_and_missing_ones_as_missing() -> None:
    shares = np.array([0, 1, 1 / 3, np.nan])
    units = np.frombuffer(base64.b64decode(pack_shares(shares)), dtype="<u2")
    assert units[:3] / 60000 == pytest.approx(shares[:3], abs=1 / 120000)
    assert units[3] == 65535
