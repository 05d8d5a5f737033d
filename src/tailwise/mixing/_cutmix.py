"""CutMix: a box of one image in another."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tailwise.hyperparameters import in_range
from tailwise.mixing._pairs import check_batch, drawn_shares, given_or_seeded, shuffled, soft_targets


def cutmix(
    images: Tensor,
    targets: Tensor,
    num_classes: int,
    alpha: float = 1.0,
    probability: float = 1.0,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """Paste a box of another image of the batch into each, and mix the labels by area.

        x = x_b inside the box, x_a outside,   q = v * onehot_a + (1 - v) * onehot_b

    The box has sides sqrt(1 - lam) of the image's, lam ~ Beta(alpha, alpha), rounded down to whole pixels, and its
    centre is any pixel. v is the area left of x_a once the box is cut at the image's edge, so it may exceed lam.

    Args:
        images: (B, channels, H, W) of any dtype, which they keep.
        targets: (B,) int64 class indices.
        num_classes: C.
        alpha: positive; 1 draws lam uniformly.
        probability: with which a batch is mixed at all; the paper takes 0.5 for CIFAR, 1 for ImageNet.
        generator: of all that is drawn; by default one seeded from torch's.
        per_sample: draw a box for each image, where the paper has one for the batch.
        channels_last: the images are (B, H, W, channels).

    Returns:
        The images and (B, C) class probabilities.

    Raises:
        ValueError: there are no images, an argument is out of its range, or the targets are not (B,) class indices.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV
    2019.
    """
    check_batch(images, targets)
    generator = given_or_seeded(generator)
    partner = shuffled(len(images), images.device, generator)
    return pasted(
        images,
        targets,
        images[partner],
        targets[partner],
        num_classes,
        alpha,
        probability,
        generator,
        per_sample,
        channels_last,
    )


def pasted(
    images: Tensor,
    targets: Tensor,
    foreground: Tensor,
    foreground_targets: Tensor,
    num_classes: int,
    alpha: float,
    probability: float,
    generator: np.random.Generator,
    per_sample: bool,
    channels_last: bool,
) -> tuple[Tensor, Tensor]:
    """With ``probability`` a box of ``foreground`` in each image, and labels by area; otherwise all as it was."""
    if images.ndim != 4:
        raise ValueError(
            f"a box is cut out of images, of four dimensions, got {tuple(images.shape)}; use mixup instead"
        )
    lam = drawn_shares(alpha, alpha, len(images), per_sample, generator)
    if generator.random() >= in_range("probability", probability, at_least=0, at_most=1):
        return images, F.one_hot(targets, num_classes).float()
    height, width = images.shape[1:3] if channels_last else images.shape[2:]
    rows = _covered(lam, height, generator)
    columns = _covered(lam, width, generator)
    share = 1 - rows.mean(axis=1) * columns.mean(axis=1)
    box = torch.from_numpy(rows[:, :, np.newaxis] & columns[:, np.newaxis, :]).to(images.device)
    mixed = torch.where(box.unsqueeze(-1 if channels_last else 1), foreground, images)
    weight = torch.from_numpy(share).to(images.device, torch.float32)
    return mixed, soft_targets(targets, foreground_targets, weight, num_classes)


def _covered(lam: NDArray[np.float64], length: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Which of the ``length`` rows or columns of an image a box covers, (1, length) or (B, length)."""
    side = (length * np.sqrt(1 - lam)).astype(np.int64)
    start = generator.integers(length, size=len(lam)) - side // 2
    position = np.arange(length)
    covered: NDArray[np.bool_] = (position >= start[:, np.newaxis]) & (position < (start + side)[:, np.newaxis])
    return covered
