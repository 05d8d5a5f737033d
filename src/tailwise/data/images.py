"""Decoding image files into one uint8 array."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tailwise.errors import InputError
from tailwise.reading import regular
from tailwise.unpacking import require_memory

Box: TypeAlias = tuple[float, float, float, float]
"""Left, upper, right and lower edge of a part of an image, in pixels."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""That are decoded, whatever a file is named: Pillow knows others, for which it starts other programs."""
MOST_PIXELS = 2**27
"""Of an image; a file of a few bytes may claim any size."""


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
        InputError: an image is missing, cannot be decoded, holds more than 8 bits a channel, or differs in size.
    """
    decoded: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
    for row, (name, image) in enumerate(images):
        pixels = decode_image(name, image, image_size, grayscale)
        if row == 0:
            require_memory(f"{count:,} images of {pixels.shape[0]} x {pixels.shape[1]} pixels", count * pixels.nbytes)
            decoded = np.empty((count, *pixels.shape), dtype=np.uint8)
        if pixels.shape != decoded.shape[1:]:
            raise InputError(
                f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels, the first image {decoded.shape[1]} x "
                f"{decoded.shape[2]}; set image_size to bring all to one size"
            )
        decoded[row] = pixels
    return decoded


def decode_image(
    name: str,
    image: Path | bytes,
    image_size: int | None,
    grayscale: bool = False,
    crop: Callable[[int, int], Box] | None = None,
) -> NDArray[np.uint8]:
    """One image as (H, W, 3), or (H, W, 1) in grayscale, see :func:`decode_images`.

    Args:
        name: of the image, for messages.
        image: file or encoded bytes.
        image_size: side of the square it is resized to.
        grayscale: one channel instead of three.
        crop: from width and height to the part that is resized; by default the whole image.
    """
    try:
        with Image.open(BytesIO(image) if isinstance(image, bytes) else regular(image), formats=FORMATS) as opened:
            if opened.mode.startswith(("I", "F")):
                raise InputError(f"{name} has more than 8 bits a channel ({opened.mode}); convert it to 8 bits first")
            width, height = opened.size
            if width * height > MOST_PIXELS:
                raise Image.DecompressionBombError
            box = crop(width, height) if crop else (0.0, 0.0, width, height)
            reduction = 1.0
            if image_size is not None:
                # A JPEG several times too large is decoded at a half, a quarter or an eighth, never below image_size.
                smallest = (width * image_size / (box[2] - box[0]), height * image_size / (box[3] - box[1]))
                drafted = opened.draft(None, (ceil(smallest[0]), ceil(smallest[1])))
                if drafted is not None:  # the reduced size is rounded up, the box that the image fills of it is not
                    reduction = width / drafted[1][2]
            converted = opened.convert("L" if grayscale else "RGB")
    except (InputError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"there is no image {name}; put it there or take it off the list") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} claims to have more than {MOST_PIXELS:,} pixels; make it smaller, or cut it into parts"
        ) from error
    except Exception as error:  # Pillow's decoders raise all kinds of exceptions on broken files
        # An OSError without a number is Pillow's own, and EINVAL says that it is no file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(f"{name} cannot be read ({error.strerror}); make it readable") from error
        raise InputError(f"{name} is not a readable image; replace or remove it") from error
    if image_size is not None:
        right, lower = min(box[2] / reduction, converted.width), min(box[3] / reduction, converted.height)
        scaled = (box[0] / reduction, box[1] / reduction, right, lower)
        converted = converted.resize((image_size, image_size), Image.Resampling.BILINEAR, box=scaled)
    pixels = np.asarray(converted, dtype=np.uint8)
    return pixels[:, :, None] if grayscale else pixels
