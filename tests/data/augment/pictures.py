"""Images to try operations on, and Pillow to compare them with: real, extreme, grey and oblong ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor


def real(data_root: Path, count: int) -> Tensor:
    """The first test images of CIFAR-10, (count, 3, 32, 32)."""
    rows = pq.read_table(data_root / "cifar10/test.parquet", columns=["image"]).slice(0, count)["image"]
    images = [np.asarray(Image.open(BytesIO(row["bytes"].as_py())).convert("RGB")) for row in rows]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def extreme() -> Tensor:
    """Constant, two-valued, nearly constant, graded and noisy images, (10, 3, 32, 32)."""
    black = torch.zeros(3, 32, 32, dtype=torch.uint8)
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 255).byte().expand(3, -1, -1)
    dot, hole = black.clone(), black + 255
    dot[:, 5, 7] = 255
    hole[1, 31, 0] = 0
    ramp = (torch.arange(1024) // 4).byte().view(1, 32, 32).expand(3, -1, -1)
    narrow = (torch.arange(1024) % 3 + 126).byte().view(1, 32, 32).expand(3, -1, -1)
    one_channel = torch.stack([ramp[0], black[0], black[0] + 255])
    noise = torch.randint(256, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return torch.stack([black, black + 255, black + 128, board, dot, hole, ramp, narrow, one_channel, noise])


def collections(data_root: Path) -> dict[str, Tensor]:
    """Batches (B, 1 or 3, H, W) to hold every operation to."""
    photographs = real(data_root, 150)
    return {
        "photographs": photographs,
        "grey photographs": photographs[:, :1],
        "extremes": extreme(),
        "grey extremes": extreme()[:, :1],
        "oblong": photographs[:20, :, :17, 2:].contiguous(),
        "tiny": photographs[:20, :, :2, :3].contiguous(),
    }


def with_pillow(
    operation: Callable[[Image.Image, float], Image.Image], images: Tensor, parameters: Sequence[float]
) -> Tensor:
    """``operation`` on each of the images (B, channels, H, W) with its parameter."""
    done = []
    for image, parameter in zip(images, parameters, strict=True):
        array = image.permute(1, 2, 0).numpy()
        picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        done.append(torch.from_numpy(np.array(operation(picture, parameter)).reshape(array.shape)).permute(2, 0, 1))
    return torch.stack(done)


def furthest(images: Tensor, others: Tensor) -> int:
    """The largest difference of two values."""
    assert images.dtype == others.dtype == torch.uint8
    assert images.shape == others.shape
    return int((images.int() - others.int()).abs().max())
