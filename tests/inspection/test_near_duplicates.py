"""Which images count as the same: against real ones that were encoded, resized, brightened or not touched."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tailwise.data.sources import SOURCES
from tailwise.inspection import near_duplicates as module
from tailwise.inspection.near_duplicates import equal_rows, near_duplicates, thumbnails

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photographs(data_root: Path) -> Images:
    """400 test images of CIFAR-100, which are without loss."""
    return SOURCES["cifar100"]().load(data_root, "test").inputs[:400]  # type: ignore[attr-defined,no-any-return]


def encoded(image: Images, quality: int) -> Images:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(image: Images, side: int) -> Images:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def noisy(image: Images) -> Images:
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


CHANGES = {
    "JPEG of quality 75": lambda image: encoded(image, 75),
    "48 pixels": lambda image: resized(image, 48),
    "24 pixels": lambda image: resized(image, 24),
    "noise": noisy,
    "brighter": lambda image: (image * 0.9 + 20).clip(0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change: str, photographs: Images) -> None:
    copies = [CHANGES[change](image) for image in photographs]
    pairs = near_duplicates(thumbnails([photographs, *(copy[None] for copy in copies)])).tolist()
    assert all(second == first + 400 for first, second in pairs)
    assert len(pairs) >= 0.96 * 400


def test_different_images_of_one_class_are_not(data_root: Path) -> None:
    images = SOURCES["mnist"]().load(data_root, "test")
    ones = images.inputs[images.targets == 1][:400]  # type: ignore[attr-defined]
    assert len(near_duplicates(thumbnails([ones]))) <= 4  # which look the same to the eye as well


def test_batches_and_parts_do_not_matter(photographs: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([photographs[:60], photographs[:60], photographs[:10]])
    expected = near_duplicates(thumbnails([images])).tolist()
    assert expected == [[n, n + 60] for n in range(60)] + [[n, n + 120] for n in range(10)]
    monkeypatch.setattr(module, "TOGETHER", 500)
    monkeypatch.setattr(module, "MANY_PAIRS", 5)
    assert near_duplicates(thumbnails([images[:1], images[1:50], images[50:]])).tolist() == expected


def test_images_are_alike_through_one_between_them() -> None:
    def turned(degrees: float) -> torch.Tensor:
        angle = torch.tensor(degrees).deg2rad()
        return torch.cat([torch.stack([angle.cos(), angle.sin()]), torch.zeros(143)])

    step = 0.9 * np.degrees(module.FARTHEST)
    found = near_duplicates(torch.stack([turned(0), turned(2 * step), turned(step), turned(50)]))
    assert found.tolist() == [[0, 1], [0, 2]]


def test_plain_images_are_equal_only_to_each_other() -> None:
    images = np.zeros((3, 16, 16, 3), dtype=np.uint8)
    images[2, :8] = 255
    assert near_duplicates(thumbnails([images])).tolist() == [[0, 1]]
    assert near_duplicates(thumbnails([np.zeros((50, 8, 8, 1), dtype=np.uint8)])).tolist() == [
        [0, n] for n in range(1, 50)
    ]


def test_equal_rows_go_with_the_first() -> None:
    rows = np.array([[1, 2], [0, 3], [1, 2], [-0.0, 3], [1, 2.5]], dtype=np.float32)
    assert equal_rows(rows).tolist() == [[0, 2], [1, 3]]
    assert equal_rows(rows[:2]).tolist() == []
