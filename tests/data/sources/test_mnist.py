"""MNIST, from the original files."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import Split
from tailwise.data.sources.idx import read_idx
from tailwise.data.sources.mnist import MNIST


@pytest.fixture(scope="module")
def mnist(data_root: Path) -> dict[Split, Arrays]:
    return {split: MNIST().load(data_root, split) for split in ("train", "test")}


@pytest.mark.parametrize(
    ("name", "md5"),
    [
        ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
    ],
)
def test_what_is_read_makes_up_the_original_file(data_root: Path, name: str, md5: str) -> None:
    values = read_idx(data_root / "mnist" / f"{name}.gz", dimensions=3 if "images" in name else 1)
    header = struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape)
    assert hashlib.md5(header + values.tobytes()).hexdigest() == md5


def test_each_digit_occurs_as_often_as_published(mnist: dict[Split, Arrays]) -> None:
    assert list(mnist["train"].counts) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert list(mnist["test"].counts) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_images_are_grey_with_the_mean_everyone_normalises_by(mnist: dict[Split, Arrays]) -> None:
    assert mnist["train"].inputs.shape == (60_000, 28, 28, 1)
    assert mnist["train"].inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


def test_labels_are_in_the_order_of_the_files(mnist: dict[Split, Arrays]) -> None:
    assert mnist["train"].targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist["test"].targets[:5].tolist() == [7, 2, 1, 0, 4]


def test_fives_against_threes_keep_their_images(mnist: dict[Split, Arrays]) -> None:
    pair = mnist["test"].only_classes([5, 3])
    assert list(pair.counts) == [892, 1010]
    assert pair.class_names == ("5", "3")
    assert np.array_equal(pair.inputs[pair.targets == 1], mnist["test"].inputs[mnist["test"].targets == 3])
