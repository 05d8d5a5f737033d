"""The operations on values beside Pillow's ImageOps and ImageEnhance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from data.augment.pictures import collections, furthest, with_pillow
from tailwise.data.augment import tone
from tailwise.data.augment.tone import lookup
from tailwise.errors import InputError

Reference = Callable[[Image.Image, float], Image.Image]
TABLES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Reference, float, float]] = {
    "invert": (lambda images, _: tone.invert(images), lambda p, _: ImageOps.invert(p), 0, 0),
    "posterize": (
        lambda images, bits: tone.posterize(images, bits.floor()),
        lambda p, bits: ImageOps.posterize(p, int(bits)),
        1,
        8,
    ),
    "solarize": (tone.solarize, lambda p, threshold: ImageOps.solarize(p, threshold), 0, 256),
    "autocontrast": (lambda images, _: tone.autocontrast(images), lambda p, _: ImageOps.autocontrast(p), 0, 0),
    "equalize": (lambda images, _: tone.equalize(images), lambda p, _: ImageOps.equalize(p), 0, 0),
}
ENHANCEMENTS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Image.Image], ImageEnhance._Enhance]]] = {
    "brightness": (lambda images, factor: lookup(images, tone.brightness(images, factor)), ImageEnhance.Brightness),
    "contrast": (lambda images, factor: lookup(images, tone.contrast(images, factor)), ImageEnhance.Contrast),
    "color": (tone.color, ImageEnhance.Color),
    "sharpness": (tone.sharpness, ImageEnhance.Sharpness),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_give_the_values_that_pillow_gives(name: str, data_root: Path) -> None:
    tables, reference, least, most = TABLES[name]
    for images in collections(data_root).values():
        amounts = torch.linspace(least, most, len(images), dtype=torch.float64)
        expected = with_pillow(reference, images, amounts.tolist())
        assert torch.equal(lookup(images, tables(images, amounts)), expected)


@pytest.mark.parametrize("name", ENHANCEMENTS)
def test_enhancements_are_pillow_s_to_a_grey_level(name: str, data_root: Path) -> None:
    enhance, reference = ENHANCEMENTS[name]
    for images in collections(data_root).values():
        factors = torch.linspace(0, 3, len(images), dtype=torch.float64)
        expected = with_pillow(lambda p, factor: reference(p).enhance(factor), images, factors.tolist())
        # One level where a compiler contracts Pillow's product and sum; where it does not, none.
        assert furthest(enhance(images, factors), expected) <= 1


@pytest.mark.parametrize("name", ENHANCEMENTS)
def test_factor_one_changes_nothing(name: str, data_root: Path) -> None:
    for images in collections(data_root).values():
        assert torch.equal(ENHANCEMENTS[name][0](images, torch.ones(len(images))), images)


def test_equalize_gives_each_image_and_channel_its_own_table(data_root: Path) -> None:
    images = collections(data_root)["photographs"]
    shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    assert torch.equal(tone.equalize(images[shuffled]), tone.equalize(images)[shuffled])
    assert torch.equal(tone.equalize(images.flip(1)), tone.equalize(images).flip(1))


def test_luminance_of_other_channels_is_refused() -> None:
    with pytest.raises(InputError, match="1 or 3 channels, got 4"):
        tone.color(torch.zeros(2, 4, 8, 8, dtype=torch.uint8), torch.ones(2))


def test_tables_for_another_batch_are_refused() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"takes parameters \(2, 3, 256\), got \(1, 3, 256\)"):
        lookup(images, tone.invert(images[:1]))
