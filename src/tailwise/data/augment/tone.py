"""What values pixels have: the operations of Pillow's ``ImageOps`` and ``ImageEnhance``, on batches and to the bit.

Most say for each of the 256 values of a channel what becomes of it: they give tables, which ``lookup`` applies. The
enhancements blend an image with a plainer one, floor(clamp(plain + factor (value - plain), 0, 255)): factor 0 is the
plain image, 1 the image itself, and beyond 1 the difference is exaggerated.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.data.augment.batch import per_sample
from tailwise.errors import InputError

RED, GREEN, BLUE = 19595, 38470, 7471
"""Parts in 65536 of the luminance of ITU-R 601-2."""


def lookup(images: Tensor, tables: Tensor) -> Tensor:
    """tables[b, c, value] of every value of images (B, channels, H, W).

    Args:
        images: (B, channels, H, W) uint8.
        tables: (B, channels, 256) uint8.
    """
    tables = per_sample(tables, images, images.shape[1], 256)
    return tables.gather(2, images.flatten(2).long()).view(images.shape)


def invert(images: Tensor) -> Tensor:
    """Tables (B, channels, 256) of 255 - value."""
    return _tables(255 - _levels(images), images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Tables (B, channels, 256) that keep the highest ``bits``, (B,) whole numbers from 1 to 8, of each value."""
    dropped = 8 - per_sample(bits, images).to(torch.int32)[:, None, None]
    return _tables(_levels(images) >> dropped << dropped, images)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Tables (B, channels, 256) of 255 - value where the value is at least ``threshold``, (B,)."""
    levels = _levels(images)
    return _tables(torch.where(levels < _column(threshold, images), levels, 255 - levels), images)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Tables (B, channels, 256) of the blend by ``factor``, (B,), with black."""
    return _tables(_blend(_levels(images), 0.0, _column(factor, images)), images)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Tables (B, channels, 256) of the blend by ``factor``, (B,), with the mean luminance of the image, rounded."""
    luminance = _luminance(images).flatten(1)
    pixels = luminance.shape[1]
    mean = (2 * luminance.sum(dim=1) + pixels).div(2 * pixels, rounding_mode="floor")
    return _tables(_blend(_levels(images), mean[:, None, None], _column(factor, images)), images)


def autocontrast(images: Tensor) -> Tensor:
    """Tables (B, channels, 256) that stretch the values of each channel to 0 .. 255.

        out = floor(clamp(scale value - scale lowest, 0, 255)),   scale = 255 / (highest - lowest)

    A constant channel stays. In float64 and this order, which decides where a whole number is missed by a hair.
    """
    planes = images.flatten(2)
    lowest, highest = planes.amin(dim=2, keepdim=True).double(), planes.amax(dim=2, keepdim=True).double()
    levels = _levels(images)
    scale = torch.full_like(highest, 255) / (highest - lowest)
    stretched = (levels * scale - lowest * scale).clamp(0, 255)
    return _tables(torch.where(highest > lowest, stretched, levels), images)


def equalize(images: Tensor) -> Tensor:
    """Tables (B, channels, 256) that spread the values of each channel evenly.

        step = floor((pixels - pixels of the highest value) / 255)
        out = min(floor((floor(step / 2) + pixels of lower value) / step), 255)

    A channel with step 0 stays.
    """
    planes = images.flatten(2)
    one = torch.ones((), dtype=torch.int32, device=images.device)
    histogram = one.new_zeros((*planes.shape[:2], 256)).scatter_add_(2, planes.long(), one.expand(planes.shape))
    lower = histogram.cumsum(dim=2, dtype=torch.int32) - histogram
    step = lower.gather(2, planes.amax(dim=2, keepdim=True).long()) // 255
    spread = (lower + step // 2).div_(step.clamp(min=1), rounding_mode="trunc").clamp_(max=255)
    return _tables(torch.where(step > 0, spread, _levels(images)), images)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """The blend by ``factor``, (B,), with the luminance of each pixel."""
    return _blend(images.float(), _luminance(images)[:, None].float(), _column(factor, images)[..., None])


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """The blend by ``factor``, (B,), with round((sum of the 3 x 3 neighbours + 4 value) / 13); the border stays."""
    exact = images.float()
    inner = exact[:, :, 1:-1, 1:-1]
    three = (exact[:, :, :-2] + exact[:, :, 1:-1]).add_(exact[:, :, 2:])
    nine = (three[..., :-2] + three[..., 1:-1]).add_(three[..., 2:])
    smooth = nine.add_(inner, alpha=4).div_(13).add_(0.5).floor_()
    sharpened = images.clone()
    sharpened[:, :, 1:-1, 1:-1] = _blend(inner, smooth, _column(factor, images)[..., None])
    return sharpened


def _blend(values: Tensor, plain: Tensor | float, factor: Tensor) -> Tensor:
    # Product and sum are rounded one by one, in float32, as in Pillow: a fused multiply-add would differ by a level.
    return (values - plain).mul(factor).add_(plain).clamp_(0, 255).to(torch.uint8)


def _tables(values: Tensor, images: Tensor) -> Tensor:
    """(B, channels, 256) uint8 of what broadcasts to it."""
    return values.to(torch.uint8).expand(*images.shape[:2], 256)


def _column(parameters: Tensor, images: Tensor) -> Tensor:
    """(B,) as (B, 1, 1) float32."""
    return per_sample(parameters, images).float()[:, None, None]


def _levels(images: Tensor) -> Tensor:
    """The values 0 .. 255 that a table is of."""
    return torch.arange(256, dtype=torch.int32, device=images.device)


def _luminance(images: Tensor) -> Tensor:
    """(B, H, W) int32, round(0.299 red + 0.587 green + 0.114 blue); the channel itself where there is one.

    Raises:
        InputError: neither one channel nor three.
    """
    if images.shape[1] == 1:
        return images[:, 0].int()
    if images.shape[1] != 3:
        raise InputError(f"luminance needs images of 1 or 3 channels, got {images.shape[1]}")
    weighted = (images[:, 0].int() * RED).add_(images[:, 1], alpha=GREEN).add_(images[:, 2], alpha=BLUE)
    return weighted.add_(32768).bitwise_right_shift_(16)
