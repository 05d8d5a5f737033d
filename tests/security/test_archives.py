"""What is packed is read in memory, never to where it says, and only as far as there is room."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from PIL import Image

from data.sources.phcx_files import HEADER
from tailwise import unpacking
from tailwise.data.images import MOST_PIXELS, decode_image
from tailwise.data.sources import CIFAR10, SVHN, Npz, Parquet
from tailwise.data.sources.idx import read_idx
from tailwise.data.sources.phcx import read_blocks
from tailwise.errors import InputError
from tailwise.unpacking import Gunzipped, inflated_size, read_arrays

ROOM = 100_000


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 100 kB of memory, so that a bomb of a megabyte is one."""
    monkeypatch.setattr(unpacking, "memory_of_machine", lambda: ROOM)


def stored(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../outside", "/tmp/tailwise-outside", "inputs/../../outside"])
def test_names_in_an_archive_lead_nowhere(name: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "x.npz", "w") as archive:
        archive.writestr(f"{name}.npy", stored(np.zeros(3)))
        archive.writestr("inputs.npy", stored(np.zeros((8, 2), np.float32)))
        archive.writestr("targets.npy", stored(np.arange(8) % 2))
    assert len(Npz(train=inside / "x.npz").load(None, "train").targets) == 6
    assert {path.name for path in tmp_path.rglob("*")} == {"inside", "x.npz"}
    assert not Path("/tmp/tailwise-outside.npy").exists()


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("name", ["../outside", "/tmp/tailwise-outside", "cifar-10-batches-bin/data_batch_1.bin"])
def test_members_of_a_tar_are_never_unpacked(name: str, kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    with tarfile.open(tmp_path / "cifar10/cifar-10-binary.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match="data_batch"):
        CIFAR10().load(tmp_path, "train")
    assert {path.name for path in tmp_path.rglob("*")} == {"cifar10", "cifar-10-binary.tar.gz"}
    assert not Path("/tmp/tailwise-outside").exists()


def test_npz_of_zeros_is_refused_before_it_is_unpacked(tmp_path: Path, little_room: None) -> None:
    np.savez_compressed(tmp_path / "x.npz", inputs=np.zeros((1000, 1000), np.uint8), targets=np.zeros(1000, int))
    assert (tmp_path / "x.npz").stat().st_size < ROOM
    with pytest.raises(InputError, match=r"x\.npz would take 1,008,\d+ bytes of memory, but the machine has 100,000"):
        Npz(train=tmp_path / "x.npz").load(None, "train")


def test_npz_that_understates_its_size_is_no_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", stored(np.zeros(1_000_000, np.uint8)))
    content = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content.replace(struct.pack("<I", 1_000_128), struct.pack("<I", 1_000)))
    with pytest.raises(ValueError, match="CRC"):
        read_arrays(tmp_path / "x.npz")


def test_idx_of_zeros_is_refused_before_it_is_unpacked(tmp_path: Path, little_room: None) -> None:
    header = bytes((0, 0, 8, 3)) + struct.pack(">3I", 1000, 100, 100)
    (tmp_path / "x.gz").write_bytes(gzip.compress(header + bytes(10_000_000)))
    with pytest.raises(InputError, match="would take 10,000,000 bytes"):
        read_idx(tmp_path / "x.gz", dimensions=3)


def test_idx_with_more_than_it_says_is_read_no_further(tmp_path: Path) -> None:
    header = bytes((0, 0, 8, 1)) + struct.pack(">I", 5)
    (tmp_path / "x.gz").write_bytes(gzip.compress(header + bytes(10_000_000)))
    with pytest.raises(InputError, match="holds more than 5 values"):
        read_idx(tmp_path / "x.gz", dimensions=1)


@pytest.mark.parametrize("ask", [None, -1, 40, 10**12])
def test_gzip_of_zeros_is_unpacked_up_to_what_it_may_hold(ask: int | None, tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    with Gunzipped(tmp_path / "x.gz", 99) as unzipped:
        unzipped.read(60)
        with pytest.raises(OSError, match="unzips to more than 99 bytes"):
            unzipped.read(ask)


def test_tar_with_a_name_of_gigabytes_is_unpacked_up_to_what_it_may_hold(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**33
    with gzip.open(tmp_path / "cifar10/cifar-10-binary.tar.gz", "wb", compresslevel=1) as archive:
        archive.write(member.tobuf(tarfile.GNU_FORMAT))
        for _ in range(257):
            archive.write(bytes(2**20))
    with pytest.raises(InputError, match="unzips to more than 268,435,456 bytes"):
        CIFAR10().load(tmp_path, "train")


def test_candidate_of_zeros_is_unpacked_up_to_what_it_may_hold(tmp_path: Path) -> None:
    (tmp_path / "x.phcx.gz").write_bytes(gzip.compress(HEADER.encode() + b" " * 2**26))
    with pytest.raises(InputError, match="unzips to more than 33,554,432 bytes"):
        read_blocks(tmp_path / "x.phcx.gz", ["SubBands"])


def test_candidate_that_declares_entities_is_refused(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    document = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "lol">{laughs}]><x>&a9;</x>'
    (tmp_path / "x.phcx.gz").write_bytes(gzip.compress(document.encode()))
    with pytest.raises(InputError, match="declares a document type"):
        read_blocks(tmp_path / "x.phcx.gz", ["SubBands"])


@pytest.mark.parametrize("images", [[b"x"] * 50_000, [bytes(300_000)] * 4, [bytes(range(250)) * 100] * 1000])
def test_parquet_of_equal_values_is_refused_before_it_is_unpacked(
    images: list[bytes], tmp_path: Path, little_room: None
) -> None:
    table = pa.table({"image": images, "label": [0, 1] * (len(images) // 2)})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd")
    assert (tmp_path / "x.parquet").stat().st_size < ROOM
    with pytest.raises(InputError, match=r"x\.parquet would take .* bytes of memory"):
        Parquet(train=tmp_path / "x.parquet").load(None, "train")


def test_matlab_file_of_zeros_is_refused_before_scipy_unpacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "svhn").mkdir()
    path = tmp_path / "svhn/train_32x32.mat"
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 3, 200), np.uint8), "y": np.ones((200, 1))}, do_compression=True)
    assert path.stat().st_size < ROOM
    monkeypatch.setattr("tailwise.data.sources.svhn._LARGEST", ROOM)
    with pytest.raises(InputError, match="unpacks to more than 100,000 bytes"):
        SVHN().load(tmp_path, "train")


def test_size_of_what_zlib_packed_is_counted_without_holding_it() -> None:
    assert inflated_size(zlib.compress(bytes(3_000_000)), 2**30) == 3_000_000
    assert inflated_size(zlib.compress(bytes(3 * 10**8), 1), 10**7) < 10**8


def test_image_of_more_pixels_than_there_may_be_is_refused_by_its_header(tmp_path: Path) -> None:
    side = int(MOST_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size < ROOM
    with pytest.raises(InputError, match="more than 134,217,728 pixels"):
        decode_image("x.png", tmp_path / "x.png", 8)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".eps"])
def test_postscript_is_never_given_to_an_interpreter(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gs", "gswin64c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    (tmp_path / f"x{ending}").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(InputError, match="is not a readable image"):
        decode_image("x", tmp_path / f"x{ending}", 8)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_read_from(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(InputError, match=r"x\.png is not a readable image"):
        decode_image("x.png", tmp_path / "x.png", 8)
