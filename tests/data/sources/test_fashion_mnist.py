"""Fashion-MNIST, from small files of its format."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tailwise.data.sources.fashion_mnist import FashionMNIST


@pytest.mark.parametrize("folder", ["fashion-mnist", "FashionMNIST/raw"])
def test_a_split_is_read_from_either_layout(tmp_path: Path, folder: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    there = tmp_path / folder
    there.mkdir(parents=True)
    images = struct.pack(">4I", 2051, 3, 28, 28) + pixels.tobytes()
    labels = struct.pack(">2I", 2049, 3) + bytes([9, 0, 7])
    (there / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (there / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    loaded = FashionMNIST().load(tmp_path, "train")
    assert np.array_equal(loaded.inputs[..., 0], pixels)
    assert [loaded.class_names[label] for label in loaded.targets] == ["Ankle boot", "T-shirt/top", "Sneaker"]
