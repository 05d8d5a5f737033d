"""Where pixels go: crop, flip, cutout, and affine maps.

The affine maps take the nearest pixel, in the fixed-point arithmetic of Pillow's ``Image.transform``: integers, so that
every device gives the same image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.data.augment.batch import per_sample

MID_GREY = 128


def crop(images: Tensor, offsets: Tensor, padding: int) -> Tensor:
    """A window of each zero-padded image, of the size of the image: out[b, y, x] = padded[b, y + top_b, x + left_b].

    Args:
        images: (B, channels, H, W) uint8.
        offsets: (B, 2) int64, top and left, brought into 0 .. 2 * padding.
        padding: black pixels added on each side.
    """
    top, left = per_sample(offsets, images, 2).clamp(0, 2 * padding).view(-1, 2, 1, 1).unbind(1)
    batch, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4).contiguous()
    # A row of the result is one stretch of the padded batch: copying it whole is far faster than pixel by pixel.
    stretches = padded.as_strided((padded.numel() - width + 1, width), (1, 1))
    plane = torch.arange(batch * channels, device=images.device).view(batch, channels, 1)
    row = plane * padded.shape[2] + top + torch.arange(height, device=images.device)
    starts = row * padded.shape[3] + left
    return stretches.index_select(0, starts.flatten()).view(images.shape)


def flip(images: Tensor, flipped: Tensor) -> Tensor:
    """Left and right exchanged in the images (B, channels, H, W) that ``flipped``, (B,) bool, marks."""
    chosen = torch.arange(len(images), device=images.device) + len(images) * per_sample(flipped, images)
    return torch.cat((images, images.flip(-1))).index_select(0, chosen)


def cutout(images: Tensor, centers: Tensor, length: int) -> Tensor:
    """A black square in each image, clipped at its border.

    The square holds the rows and the columns from center - floor(length / 2) on, ``length`` of each.

    Args:
        images: (B, channels, H, W) uint8.
        centers: (B, 2) int64, row and column.
        length: side of the square in pixels.
    """
    row, column = per_sample(centers, images, 2).view(-1, 2, 1, 1, 1).unbind(1)
    below = torch.arange(images.shape[2], device=images.device)[:, None] - row + length // 2
    right = torch.arange(images.shape[3], device=images.device) - column + length // 2
    kept_rows, kept_columns = ((((at < 0) | (at >= length)) * 255).to(torch.uint8) for at in (below, right))
    return images & (kept_rows | kept_columns)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Each pixel taken from where its centre is mapped to, mid-grey where that is outside.

        (u, v) = floor(A (x + 1/2, y + 1/2, 1)),   out[y, x] = in[v, u]

    Args:
        images: (B, channels, H, W) uint8.
        matrices: (B, 2, 3) floating, the A of each image.
    """
    height, width = images.shape[2:]
    # With a border of grey around the image, what comes from outside comes from the border.
    bordered = F.pad(images, (1, 1, 1, 1), value=MID_GREY)
    u, v = _fixed_point_map(matrices, images)
    source = v.clamp_(-1, height).add_(1).mul_(width + 2).add_(u.clamp_(-1, width)).add_(1).long()
    taken = bordered.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, images.shape[1], -1))
    return taken.view(images.shape)


def _fixed_point_map(matrices: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """u and v of every pixel, (B, H, W) int32 each, with the matrices rounded to 1 / 65536."""
    linear, shift = matrices[..., :2].double(), matrices[..., 2:].double()
    center = linear.sum(dim=-1, keepdim=True) / 2 + shift
    fixed = (torch.cat((linear, center), dim=-1) * 65536 + 0.5).floor().to(torch.int32)
    across, down, start = per_sample(fixed, images, 2, 3)[..., None, None].unbind(2)
    rows = torch.arange(images.shape[2], dtype=torch.int32, device=images.device)[:, None]
    columns = torch.arange(images.shape[3], dtype=torch.int32, device=images.device)
    u, v = (across * columns + (down * rows + start)).bitwise_right_shift_(16).unbind(1)
    return u, v


def shear_x(slope: Tensor) -> Tensor:
    """Matrices (B, 2, 3) of u = x + slope y, with ``slope`` (B,)."""
    matrices = _identity(slope)
    matrices[:, 0, 1] = slope
    return matrices


def shear_y(slope: Tensor) -> Tensor:
    """Matrices (B, 2, 3) of v = y + slope x, with ``slope`` (B,)."""
    matrices = _identity(slope)
    matrices[:, 1, 0] = slope
    return matrices


def translate_x(pixels: Tensor) -> Tensor:
    """Matrices (B, 2, 3) of u = x + pixels, with ``pixels`` (B,)."""
    matrices = _identity(pixels)
    matrices[:, 0, 2] = pixels
    return matrices


def translate_y(pixels: Tensor) -> Tensor:
    """Matrices (B, 2, 3) of v = y + pixels, with ``pixels`` (B,)."""
    matrices = _identity(pixels)
    matrices[:, 1, 2] = pixels
    return matrices


def rotate(degrees: Tensor, height: int, width: int) -> Tensor:
    """Matrices (B, 2, 3) that turn images counter-clockwise by ``degrees``, (B,), about their middle.

    (u, v) = R (x - W/2, y - H/2) + (W/2, H/2) with R = [[cos, -sin], [sin, cos]].
    """
    angle = degrees.double().deg2rad()
    cos, sin = angle.cos(), angle.sin()
    x, y = width / 2, height / 2
    entries = (cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y)
    return torch.stack(entries, dim=-1).view(-1, 2, 3)


def _identity(parameters: Tensor) -> Tensor:
    return torch.eye(2, 3, dtype=torch.float64, device=parameters.device).repeat(len(parameters), 1, 1)
