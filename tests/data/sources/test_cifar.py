"""The binary version of CIFAR, unpacked and packed, written from real images."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.sources.messages import one_line
from tailwise.data.arrays import Arrays
from tailwise.data.profile_config import ExponentialProfile
from tailwise.data.profiles import subset_indices
from tailwise.data.sources import CIFAR10, CIFAR100
from tailwise.data.sources.cifar import CIFARSource
from tailwise.errors import InputError

BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)]


@pytest.fixture(scope="module")
def cifar10(data_root: Path) -> Arrays:
    return CIFAR10().load(data_root, "test")


@pytest.fixture(scope="module")
def cifar100(data_root: Path) -> Arrays:
    return CIFAR100().load(data_root, "test")


@pytest.fixture(scope="module")
def pool(data_root: Path) -> Arrays:
    return CIFAR100(train="pool").load(data_root, "train")


def records(data: Arrays, coarse: bytes = b"") -> bytes:
    """As the authors describe them: labels, then the red, the green and the blue plane."""
    planes = np.moveaxis(data.inputs, -1, 1)
    return b"".join(
        coarse + bytes([label]) + image.tobytes() for label, image in zip(data.targets, planes, strict=True)
    )


def written(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def assert_same(loaded: Arrays, expected: Arrays) -> None:
    assert np.array_equal(loaded.inputs, expected.inputs)
    assert loaded.targets.tolist() == expected.targets.tolist()
    assert loaded.class_names == expected.class_names


def test_cifar10_in_parquet_has_a_thousand_test_images_of_each_class(cifar10: Arrays) -> None:
    assert list(cifar10.counts) == [1000] * 10
    assert cifar10.inputs.shape == (10_000, 32, 32, 3)


def test_the_whole_training_split_of_cifar10_is_read(data_root: Path) -> None:
    assert list(CIFAR10().load(data_root, "train").counts) == [5000] * 10


def test_cifar100_in_parquet_lacks_one_baby(cifar100: Arrays) -> None:
    expected = [99 if name == "baby" else 100 for name in cifar100.class_names]
    assert list(cifar100.counts) == expected


@pytest.mark.parametrize(("source", "file"), [(CIFAR10, "cifar10"), (CIFAR100, "cifar100")])
def test_the_class_names_are_those_of_the_data(source: type[CIFARSource], file: str, data_root: Path) -> None:
    metadata = pq.read_schema(data_root / file / "test.parquet").metadata[b"huggingface"]
    assert list(source.class_names) == json.loads(metadata)["info"]["features"]["label"]["names"]


@pytest.mark.parametrize("place", ["cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_the_five_batches_of_cifar10_are_one_split(cifar10: Arrays, tmp_path: Path, place: str) -> None:
    thousand = cifar10.subset(np.arange(1000))
    written(
        tmp_path / place,
        {
            name: records(thousand.subset(rows))
            for name, rows in zip(BATCHES, np.split(np.arange(1000), 5), strict=True)
        },
    )
    written(tmp_path / place, {"test_batch.bin": records(thousand.subset(np.arange(50)))})
    assert_same(CIFAR10().load(tmp_path, "train"), thousand)
    assert_same(CIFAR10().load(tmp_path, "test"), thousand.subset(np.arange(50)))


def test_cifar100_takes_the_fine_label_of_each_record(cifar100: Arrays, tmp_path: Path) -> None:
    some = cifar100.subset(np.arange(0, 9000, 70))
    written(tmp_path / "cifar100/cifar-100-binary", {"train.bin": records(some, coarse=b"\x07")})
    assert_same(CIFAR100().load(tmp_path, "train"), some)


@pytest.mark.parametrize("place", ["cifar-100-binary.tar.gz", "cifar100/cifar-100-binary.tar.gz"])
def test_the_archive_is_read_without_unpacking_it(cifar100: Arrays, tmp_path: Path, place: str) -> None:
    some = cifar100.subset(np.arange(0, 9000, 70))
    content = {"../outside": b"x", "cifar-100-binary/test.bin": records(some, coarse=b"\x00")}
    packed(tmp_path / place, content)
    assert_same(CIFAR100().load(tmp_path, "test"), some)
    assert not (tmp_path.parent / "outside").exists()


def test_the_hubs_own_columns_and_file_names_are_understood(data_root: Path, tmp_path: Path, cifar100: Arrays) -> None:
    table = pq.read_table(data_root / "cifar100/test.parquet").slice(0, 300)
    folder = tmp_path / "cifar100"
    folder.mkdir()
    columns = table.rename_columns(["img", "fine_label"]).append_column("coarse_label", [[0] * 300])
    pq.write_table(columns.replace_schema_metadata(), folder / "test-00000-of-00001.parquet")
    assert_same(CIFAR100().load(tmp_path, "test"), cifar100.subset(np.arange(300)))


def test_coarse_labels_are_the_twenty_superclasses(cifar100: Arrays, data_root: Path) -> None:
    # The numbers of the superclasses in the order of the classes, as the coarse labels of the binary version have them.
    superclasses = """
    4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 13 14
    17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 5 8 19 18 1
    2 15 6 0 17 8 14 13"""
    coarse = CIFAR100(labels="coarse").load(data_root, "test")
    assert (coarse.targets == np.array(superclasses.split(), dtype=np.int64)[cifar100.targets]).all()
    assert coarse.class_names[8] == "large_carnivores"
    assert coarse.class_names[11] == "large_omnivores_and_herbivores"
    assert np.array_equal(coarse.inputs, cifar100.inputs)


def test_the_pool_is_all_of_cifar100_lt_with_imbalance_factor_10(pool: Arrays) -> None:
    assert len(pool.targets) == 18_817
    assert (np.diff(pool.targets) >= 0).all()
    assert all(359 <= count <= 393 for count in list(pool.counts)[:11])


@pytest.mark.parametrize(("factor", "total"), [(200, 9_136), (100, 10_447), (50, 12_148), (10, 18_817)])
def test_the_capped_long_tails_of_the_pool_have_their_known_sizes(pool: Arrays, factor: int, total: int) -> None:
    counts = ExponentialProfile(max_count=500, imbalance_factor=factor, cap=True).class_counts(pool.counts)
    rows = subset_indices(pool.targets, counts, seed=None)
    assert len(rows) == total
    assert counts[99] == 500 // factor


def test_the_pool_is_asked_for_by_name(tmp_path: Path, data_root: Path) -> None:
    path = tmp_path / "cifar100/train_lt_pool.parquet"
    with pytest.raises(InputError, match=one_line("train: pool", path)):
        CIFAR100(train="pool").load(tmp_path, "train")
    with pytest.raises(InputError, match=one_line("cifar-100-binary.tar.gz", data_root / "cifar100")):
        CIFAR100().load(data_root, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold records of 3073 bytes, got 0 bytes"),
        (bytes(3072), "must hold records of 3073 bytes, got 3072 bytes"),
        (bytes([10]) + bytes(3072), "labels must lie from 0 to 9 for 10 class names, got 10 in row 0"),
    ],
)
def test_a_damaged_batch_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    written(tmp_path / "cifar-10-batches-bin", {"test_batch.bin": content})
    with pytest.raises(InputError, match=one_line(tmp_path / "cifar-10-batches-bin/test_batch.bin", message)):
        CIFAR10().load(tmp_path, "test")
    (tmp_path / "cifar-10-batches-bin/test_batch.bin").unlink()
    path = packed(tmp_path / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/test_batch.bin": content})
    with pytest.raises(InputError, match=one_line("test_batch.bin in", path, message)):
        CIFAR10().load(tmp_path, "test")


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    written(tmp_path / "cifar-10-batches-bin", {name: bytes(3073) for name in BATCHES if "3" not in name})
    with pytest.raises(InputError, match=one_line("there is no data_batch_3.bin beside", "data_batch_1.bin")):
        CIFAR10().load(tmp_path, "train")


@pytest.mark.parametrize("kept", [0, 20, 200])
def test_a_damaged_archive_is_named(tmp_path: Path, kept: int) -> None:
    noise = np.random.default_rng(0).bytes(3073)
    path = packed(tmp_path / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/test_batch.bin": noise})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=one_line(path, "fetch it anew")):
        CIFAR10().load(tmp_path, "test")


@pytest.mark.parametrize("link", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_no_file(tmp_path: Path, link: Any) -> None:
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.type, member.linkname = link, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match=one_line("has no cifar-10-batches-bin/test_batch.bin")):
        CIFAR10().load(tmp_path, "test")
