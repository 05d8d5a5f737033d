"""Crop, flip, cutout and affine maps beside Pillow and the papers' definitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor

from data.augment.pictures import collections, furthest, real, with_pillow
from tailwise.data.augment import geometry
from tailwise.data.augment.geometry import MID_GREY, crop, cutout, flip, warp
from tailwise.errors import InputError


def affine(picture: Image.Image, *matrix: float) -> Image.Image:
    fill = MID_GREY if picture.mode == "L" else (MID_GREY,) * 3
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, fillcolor=fill)


def rotate(picture: Image.Image, degrees: float) -> Image.Image:
    return picture.rotate(degrees, fillcolor=MID_GREY if picture.mode == "L" else (MID_GREY,) * 3)


Matrices = Callable[[Tensor, Tensor], Tensor]
CASES: dict[str, tuple[float, Matrices, Callable[[Image.Image, float], Image.Image]]] = {
    "shear_x": (0.6, lambda slope, _: geometry.shear_x(slope), lambda p, slope: affine(p, 1, slope, 0, 0, 1, 0)),
    "shear_y": (0.6, lambda slope, _: geometry.shear_y(slope), lambda p, slope: affine(p, 1, 0, 0, slope, 1, 0)),
    "translate_x": (40, lambda by, _: geometry.translate_x(by), lambda p, by: affine(p, 1, 0, by, 0, 1, 0)),
    "translate_y": (40, lambda by, _: geometry.translate_y(by), lambda p, by: affine(p, 1, 0, 0, 0, 1, by)),
    "rotate": (180, lambda degrees, images: geometry.rotate(degrees, *images.shape[2:]), rotate),
}


@pytest.mark.parametrize("name", CASES)
def test_affine_maps_take_the_pixels_that_pillow_takes(name: str, data_root: Path) -> None:
    largest, matrices, reference = CASES[name]
    for images in collections(data_root).values():
        amounts = torch.linspace(-largest, largest, len(images), dtype=torch.float64)
        assert torch.equal(warp(images, matrices(amounts, images)), with_pillow(reference, images, amounts.tolist()))


def test_crop_is_a_window_of_the_padded_image(data_root: Path) -> None:
    for images in collections(data_root).values():
        offsets = torch.randint(11, (len(images), 2), generator=torch.Generator().manual_seed(0))
        cropped = crop(images, offsets, 5)
        for image, expected, (top, left) in zip(images, cropped, offsets.tolist(), strict=True):

            def window(picture: Image.Image, _: float, top: int = top, left: int = left) -> Image.Image:
                return ImageOps.expand(picture, 5).crop((left, top, left + picture.width, top + picture.height))

            assert torch.equal(with_pillow(window, image[None], [0])[0], expected)


def test_crop_in_the_middle_changes_nothing(data_root: Path) -> None:
    images = real(data_root, 5)
    assert torch.equal(crop(images, torch.full((5, 2), 4), 4), images)


def test_flip_mirrors_the_marked_images(data_root: Path) -> None:
    for images in collections(data_root).values():
        marked = torch.arange(len(images)) % 3 == 0
        expected = with_pillow(lambda p, flipped: ImageOps.mirror(p) if flipped else p, images, marked.tolist())
        assert torch.equal(flip(images, marked), expected)


@pytest.mark.parametrize("length", [1, 2, 5, 16, 32])
def test_cutout_blackens_a_square_clipped_at_the_border(length: int) -> None:
    height, width = 12, 15
    centers = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    cut = cutout(torch.full((len(centers), 3, height, width), 255, dtype=torch.uint8), centers, length)
    for image, (row, column) in zip(cut, centers.tolist(), strict=True):
        expected = torch.full((3, height, width), 255, dtype=torch.uint8)
        top, left = row - length // 2, column - length // 2
        expected[:, max(top, 0) : max(top + length, 0), max(left, 0) : max(left + length, 0)] = 0
        assert torch.equal(image, expected)


def test_cutout_leaves_the_other_pixels(data_root: Path) -> None:
    images = real(data_root, 20)
    cut = cutout(images, torch.full((20, 2), 16), 8)
    assert furthest(cut[:, :, :12], images[:, :, :12]) == furthest(cut[:, :, 20:], images[:, :, 20:]) == 0
    assert not cut[:, :, 12:20, 12:20].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda images: crop(images.float(), torch.zeros(2, 2), 4),
            "uint8 images, of four dimensions, got torch.float32",
        ),
        (
            lambda images: flip(images[0], torch.zeros(2).bool()),
            r"of four dimensions, got torch.uint8 of shape \(3, 8, 8\)",
        ),
        (lambda images: crop(images, torch.zeros(3, 2), 4), r"2 images takes parameters \(2, 2\), got \(3, 2\)"),
        (lambda images: cutout(images, torch.zeros(2), 4), r"2 images takes parameters \(2, 2\), got \(2,\)"),
        (lambda images: warp(images, torch.zeros(1, 2, 3)), r"2 images takes parameters \(2, 2, 3\), got \(1, 2, 3\)"),
    ],
)
def test_what_is_no_batch_or_no_parameter_of_it_is_refused(call: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
