"""The GPPE authors' training set."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.sources.messages import one_line
from tailwise.data.arrays import Arrays
from tailwise.data.sources.gppe_mnist import GPPEMNIST
from tailwise.data.sources.mnist import MNIST
from tailwise.errors import InputError

IMAGES, LABELS = "train_3_5_50_1000_x.npy.gz", "train_3_5_50_1000_y.npy.gz"


def test_every_training_image_is_one_of_mnist_with_its_label(data_root: Path) -> None:
    def samples(data: Arrays) -> set[tuple[bytes, int]]:
        return {(image.tobytes(), label) for image, label in zip(data.inputs, data.targets.tolist(), strict=True)}

    subset = GPPEMNIST().load(data_root, "train")
    assert list(subset.counts) == [1000, 50]
    assert samples(subset) < samples(MNIST().load(data_root, "train").only_classes([5, 3]))


def test_the_test_split_is_mnists_fives_and_threes(data_root: Path) -> None:
    test = GPPEMNIST().load(data_root, "test")
    assert test.class_names == GPPEMNIST().load(data_root, "train").class_names == ("5", "3")
    assert list(test.counts) == [892, 1010]


def zipped(values: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return gzip.compress(file.getvalue(), mtime=0)  # the test is named by it, on every worker alike


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, zipped(np.zeros((2, 784))), "must hold float32 (N, 784), got float64"),
        (IMAGES, zipped(np.zeros((2, 28, 28), np.float32)), "of shape (2, 28, 28)"),
        (IMAGES, zipped(np.full((2, 784), 0.3, np.float32)), "multiples of 1/256"),
        (IMAGES, zipped(np.full((2, 784), 1, np.float32)), "from 0 to 255/256"),
        (IMAGES, zipped(np.full((2, 784), np.nan, np.float32)), "multiples of 1/256"),
        (IMAGES, zipped(np.zeros((2, 784), np.float32)), "equally many, got 2 and 1050"),
        (IMAGES, zipped(np.zeros((2, 784), np.float32))[:40], "cannot be read"),
        (IMAGES, b"not gzipped", "cannot be read"),
        (LABELS, zipped(np.full(1050, 4)), "labels 3 and 5"),
        (LABELS, zipped(np.array([{"pickled": "object"}])), "cannot be read"),
    ],
)
def test_a_damaged_file_is_named(data_root: Path, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    shutil.copytree(data_root / "gppe-mnist", tmp_path / "gppe-mnist", copy_function=shutil.copyfile)
    path = tmp_path / "gppe-mnist" / name
    path.parent.chmod(0o755)
    path.write_bytes(content)
    with pytest.raises(InputError, match=one_line(path, message)):
        GPPEMNIST().load(tmp_path, "train")
