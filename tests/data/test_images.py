"""Decoding images."""

from __future__ import annotations

import errno
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.images import decode_image, decode_images
from tailwise.errors import InputError

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_lossless_files_and_bytes_are_decoded_to_their_pixels(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS)
    image.save(tmp_path / "a.png")
    decoded = decode_images([("a", tmp_path / "a.png"), ("b", png(image))], 2, image_size=None, grayscale=False)
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, np.stack([COLOURS, COLOURS]))


def test_a_grey_image_in_colour_has_three_equal_channels() -> None:
    grey = Image.fromarray(COLOURS[:, :, 0])
    decoded = decode_images([("a", png(grey))], 1, image_size=None, grayscale=False)
    assert np.array_equal(decoded[0], np.repeat(COLOURS[:, :, :1], 3, axis=2))


def test_grayscale_is_the_luminance() -> None:
    decoded = decode_images([("a", png(Image.fromarray(COLOURS)))], 1, image_size=None, grayscale=True)
    luminance = COLOURS @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert decoded.shape == (1, 6, 5, 1)
    assert abs(decoded[0, :, :, 0] - luminance).max() <= 1


def test_images_of_any_size_are_brought_to_one_square() -> None:
    sizes = [Image.new("RGB", size, (10, 20, 30)) for size in ((3, 9), (40, 20))]
    decoded = decode_images([("a", png(image)) for image in sizes], 2, image_size=8, grayscale=False)
    assert np.array_equal(decoded, np.broadcast_to(np.uint8([10, 20, 30]), (2, 8, 8, 3)))


def test_shrinking_averages_rather_than_skips_pixels() -> None:
    checks = Image.fromarray((np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8))
    decoded = decode_images([("a", png(checks))], 1, image_size=8, grayscale=True)
    assert abs(decoded.astype(float) - 127.5).max() < 5


@pytest.mark.parametrize("image_size", [1, 24, 40, 65, 150, 300])
@pytest.mark.parametrize("crop", [None, lambda width, height: (20.5, 10.0, width - 30.0, height - 7.5)])
def test_a_jpeg_decoded_at_a_fraction_of_its_size_looks_as_if_decoded_whole(image_size: int, crop: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 15, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(noise).resize((601, 401), Image.Resampling.BICUBIC).save(file, "JPEG", quality=95)
    with Image.open(file) as whole:
        box = crop(*whole.size) if crop else None
        expected = whole.resize((image_size, image_size), Image.Resampling.BILINEAR, box=box)
    decoded = decode_image("a.jpg", file.getvalue(), image_size, crop=crop)
    assert abs(decoded - np.asarray(expected, dtype=float)).mean() < 2


def test_a_crop_is_that_part_of_the_image() -> None:
    part = decode_image("a", png(Image.fromarray(COLOURS)), 3, crop=lambda width, height: (1, 2, 4, 5))
    assert np.array_equal(part, COLOURS[2:5, 1:4])


def test_a_missing_file_is_told_from_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=one_line("there is no image a.jpg; put it there or take it off the list")):
        decode_image("a.jpg", tmp_path / "a.jpg", 8)


def test_a_file_that_may_not_be_read_is_told_from_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "a.jpg").write_bytes(png(Image.fromarray(COLOURS)))
    monkeypatch.setattr("tailwise.data.images.Image.open", refused)
    with pytest.raises(InputError, match=one_line("a.jpg cannot be read (Permission denied); make it readable")):
        decode_image("a.jpg", tmp_path / "a.jpg", 8)


def test_images_of_several_sizes_need_an_image_size() -> None:
    sizes = [("a", png(Image.new("L", (5, 4)))), ("b", png(Image.new("L", (5, 3))))]
    with pytest.raises(InputError, match=one_line("b has 3 x 5 pixels, the first image 4 x 5", "set image_size")):
        decode_images(sizes, 2, image_size=None, grayscale=True)


def test_sixteen_bits_are_refused_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(InputError, match=one_line("scan.png has more than 8 bits a channel")):
        decode_images([("scan.png", png(deep))], 1, image_size=None, grayscale=True)


@pytest.mark.parametrize("broken", [b"", b"no image", png(Image.fromarray(COLOURS))[:60]])
def test_what_is_no_image_is_named(broken: bytes) -> None:
    with pytest.raises(InputError, match=one_line("a.jpg is not a readable image; replace or remove it")):
        decode_images([("a.jpg", broken)], 1, image_size=None, grayscale=False)
