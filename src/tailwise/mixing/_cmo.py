"""CMO: rare objects before the frequent classes' backgrounds."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tailwise.mixing._cutmix import pasted
from tailwise.mixing._pairs import check_partners, given_or_seeded


def cmo(
    images: Tensor,
    targets: Tensor,
    foreground: Tensor,
    foreground_targets: Tensor,
    num_classes: int,
    alpha: float = 1.0,
    probability: float = 0.5,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """Paste a box of an image drawn in favour of the rare classes into each (context-rich minority over-sampling).

    The box and the labels are those of ``cutmix``; only the foreground comes from another batch. The authors draw it
    class-balanced, as ``RebalancedSampler`` does, and leave the last three of 200 epochs without.

    Args:
        images: (B, channels, H, W) of any dtype, which they keep, as the training set has them: the backgrounds.
        targets: (B,) int64 class indices.
        foreground: as many images of the same kind, mostly of rare classes.
        foreground_targets: (B,) int64, theirs.
        num_classes: C.
        alpha: of lam ~ Beta(alpha, alpha), positive.
        probability: with which a batch is mixed at all.
        generator: of all that is drawn; by default one seeded from torch's.
        per_sample: draw a box for each image, where the published code has one for the batch.
        channels_last: the images are (B, H, W, channels).

    Returns:
        The images and (B, C) class probabilities.

    Raises:
        ValueError: there are no images, an argument is out of its range, or the batches cannot be paired.

    Source: Park et al., "The Majority Can Help the Minority: Context-rich Minority Oversampling for Long-tailed
    Classification", CVPR 2022.
    """
    check_partners(images, targets, foreground, foreground_targets)
    generator = given_or_seeded(generator)
    return pasted(
        images,
        targets,
        foreground,
        foreground_targets,
        num_classes,
        alpha,
        probability,
        generator,
        per_sample,
        channels_last,
    )
