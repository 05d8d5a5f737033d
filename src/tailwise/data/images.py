"""Decoding image files into one uint8 array."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tailwise.errors import InputError


def decode_images(
    images: Iterable[tuple[str, Path | bytes]], count: int, image_size: int | None, grayscale: bool
) -> NDArray[np.uint8]:
    """Decode ``count`` >= 1 images to (count, H, W, 3), or (count, H, W, 1) in grayscale.

    Args:
        images: the name of each image, for messages, and its file or encoded bytes.
        count: how many there are.
        image_size: side in pixels of the square all are resized to (bilinear, antialiased); None keeps the size,
            which must then be the same for all.
        grayscale: one channel of luminance instead of red, green and blue.

    Raises:
        InputError: an image cannot be decoded, holds more than 8 bits a channel, or differs in size.
    """
    decoded: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
    for row, (name, image) in enumerate(images):
        pixels = _decode(name, image, image_size, grayscale)
        if row == 0:
            decoded = np.empty((count, *pixels.shape), dtype=np.uint8)
        if pixels.shape != decoded.shape[1:]:
            raise InputError(
                f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels, the first image {decoded.shape[1]} x "
                f"{decoded.shape[2]}; set image_size to bring all to one size"
            )
        decoded[row] = pixels
    return decoded


def _decode(name: str, image: Path | bytes, image_size: int | None, grayscale: bool) -> NDArray[np.uint8]:
    try:
        with Image.open(BytesIO(image) if isinstance(image, bytes) else image) as opened:
            if opened.mode.startswith(("I", "F")):
                raise InputError(f"{name} has more than 8 bits a channel ({opened.mode}); convert it to 8 bits first")
            converted = opened.convert("L" if grayscale else "RGB")
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise all kinds of exceptions on broken files
        raise InputError(f"{name} is not a readable image; replace or remove it") from error
    if image_size is not None:
        converted = converted.resize((image_size, image_size), Image.Resampling.BILINEAR)
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels[:, :, None] if grayscale else pixels
