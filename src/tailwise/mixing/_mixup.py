"""mixup: the line between two samples."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tailwise.mixing._pairs import check_batch, drawn_shares, given_or_seeded, interpolated, shuffled, soft_targets


def mixup(
    inputs: Tensor,
    targets: Tensor,
    num_classes: int,
    alpha: float = 1.0,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mix each sample of a batch with another one, and their labels alike.

        x = lam * x_a + (1 - lam) * x_b,   q = lam * onehot_a + (1 - lam) * onehot_b,   lam ~ Beta(alpha, alpha)

    Mixing is linear, as normalisation is, so raw pixels can be mixed: uint8 images come out as float32 from 0 to 255.

    Args:
        inputs: (B, ...) images or features.
        targets: (B,) int64 class indices.
        num_classes: C.
        alpha: positive; 1 draws lam uniformly, below 1 most pairs are nearly one of the two.
        generator: of lam and of the pairs; by default one seeded from torch's.
        per_sample: draw a lam for each pair, where the paper has one for the batch.

    Returns:
        The mixed inputs, floating, and (B, C) class probabilities, which every loss here and
        ``torch.nn.CrossEntropyLoss`` take.

    Raises:
        ValueError: alpha is not positive, or the targets are not (B,) class indices.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """
    mixed, partner, lam = mixed_pairs(inputs, targets, alpha, generator, per_sample)
    return mixed, soft_targets(targets, targets[partner], lam, num_classes)


def mixed_pairs(
    inputs: Tensor, targets: Tensor, alpha: float, generator: np.random.Generator | None, per_sample: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed inputs, the partner of each sample, and lam of shape (B,) or (1,)."""
    check_batch(inputs, targets)
    generator = given_or_seeded(generator)
    drawn = drawn_shares(alpha, alpha, len(inputs), per_sample, generator)
    partner = shuffled(len(inputs), inputs.device, generator)
    mixed, lam = interpolated(inputs, inputs[partner], drawn)
    return mixed, partner, lam
