"""The PHCX format of pulsar candidates."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.sources.messages import one_line
from data.sources.phcx_files import block, candidate, written
from tailwise.data.sources.phcx import LARGEST, read_blocks
from tailwise.errors import InputError

BYTES = np.random.default_rng(0).integers(0, 256, (5, 16), dtype=np.uint8)
BANDS = np.random.default_rng(1).integers(0, 256, (3, 8), dtype=np.uint8)
NAMES = ("SubIntegrations", "SubBands")


def test_values_run_from_min_to_max_of_their_block(tmp_path: Path) -> None:
    content = candidate(block("SubIntegrations", BYTES, -2.5, 8.0), block("SubBands", BANDS, 1.0, 1.5))
    blocks = read_blocks(written(tmp_path / "a.phcx.gz", content), NAMES)
    np.testing.assert_allclose(blocks["SubIntegrations"], -2.5 + BYTES * 10.5 / 255, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(blocks["SubBands"], 1 + BANDS * 0.5 / 255, rtol=1e-6)


def test_the_optimised_section_is_read_not_the_raw_one(tmp_path: Path) -> None:
    raw = block("SubIntegrations", np.zeros((2, 4), np.uint8)) + block("SubBands", np.zeros((2, 4), np.uint8))
    content = candidate(block("SubIntegrations", BYTES), block("SubBands", BANDS), raw)
    blocks = read_blocks(written(tmp_path / "a.phcx.gz", content), NAMES)
    assert np.array_equal(blocks["SubIntegrations"], BYTES)
    assert np.array_equal(blocks["SubBands"], BANDS)


def test_white_space_and_lower_case_digits_do_not_matter(tmp_path: Path) -> None:
    spread = "<SubBands nBins='2' nSub='2' format='02X' min='0' max='255'> 0a\t1B\r\n ff 0 0\n</SubBands>"
    path = written(tmp_path / "a.phcx.gz", candidate("", spread))
    assert read_blocks(path, ["SubBands"])["SubBands"].tolist() == [[10, 27], [255, 0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "03X"}, "SubBands must have format 02X, got 03X"),
        ({"format": None}, "SubBands must have format 02X, got None"),
        ({"nBins": 9}, "SubBands must have 54 hexadecimal digits, got 48"),
        ({"nBins": None}, "SubBands must have a number nBins, got None"),
        ({"nSub": "three"}, "SubBands must have a number nSub, got three"),
        ({"nSub": 0}, "a whole nSub and nBins, got 0 and 8"),
        ({"nSub": -3, "nBins": -8}, "a whole nSub and nBins, got -3 and -8"),
        ({"nSub": 1e9}, "a whole nSub and nBins, got 1e+09 and 8"),
        ({"min": "nan"}, "SubBands must have a number min, got nan"),
        ({"max": None}, "SubBands must have a number max, got None"),
        ({"min": -1e308, "max": 1e308}, "in the range of float32"),
    ],
)
def test_wrong_attributes_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "a.phcx.gz", candidate("", block("SubBands", BANDS, **change)))
    with pytest.raises(InputError, match=one_line(path, message)):
        read_blocks(path, ["SubBands"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("0G", "a digit that is not hexadecimal"), ("0", "2 hexadecimal digits, got 1"), ("", "digits, got 0")],
)
def test_wrong_digits_are_refused(tmp_path: Path, text: str, message: str) -> None:
    wrong = f"<SubBands nBins='1' nSub='1' format='02X' min='0' max='1'>{text}</SubBands>"
    path = written(tmp_path / "a.phcx.gz", candidate("", wrong))
    with pytest.raises(InputError, match=one_line(path, message)):
        read_blocks(path, ["SubBands"])


def test_a_block_in_the_raw_section_alone_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.phcx.gz", candidate("", "", raw=block("SubBands", BANDS)))
    with pytest.raises(InputError, match=one_line(path, "has no SubBands in a section FFT-pdmpd")):
        read_blocks(path, ["SubBands"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<phcf><Section name='FFT-pdmpd'>", "not well-formed XML"),
        ("", "not well-formed XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><phcf>&b;</phcf>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><phcf/>', "declares a document type"),
    ],
)
def test_what_is_no_plain_xml_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path / "a.phcx.gz", content)
    with pytest.raises(InputError, match=one_line(path, message)):
        read_blocks(path, ["SubBands"])


def test_a_file_that_is_not_gzipped_or_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.phcx.gz"
    for content in (b"", b"<phcf/>", gzip.compress(candidate("", "").encode())[:-20]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=one_line(path, "fetch it anew")):
            read_blocks(path, ["SubBands"])


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.phcx.gz"
    path.write_bytes(gzip.compress(bytes(LARGEST + 1), compresslevel=1))
    with pytest.raises(InputError, match=one_line(path, f"unzips to more than {LARGEST:,} bytes")):
        read_blocks(path, ["SubBands"])
