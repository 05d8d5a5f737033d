"""Balanced mixup: the training set as it is, mixed with a class-balanced one."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tailwise.mixing._pairs import check_partners, drawn_shares, given_or_seeded, interpolated, soft_targets


def balanced_mixup(
    inputs: Tensor,
    targets: Tensor,
    balanced_inputs: Tensor,
    balanced_targets: Tensor,
    num_classes: int,
    alpha: float = 0.2,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mix each sample of a batch with one of a class-balanced batch, and their labels alike.

        x = (1 - lam) * x_i + lam * x_c,   q = (1 - lam) * onehot_i + lam * onehot_c,   lam ~ Beta(alpha, 1)

    lam is the share of the class-balanced sample, as in the published code: alpha / (1 + alpha) on average.

    Args:
        inputs: (B, ...) images or features, as the training set has them.
        targets: (B,) int64 class indices.
        balanced_inputs: as many of the same kind, each class as likely, as ``RebalancedSampler`` draws them.
        balanced_targets: (B,) int64, theirs.
        num_classes: C.
        alpha: positive; 1 draws lam uniformly, 0.1 to 0.3 keep most of the batch.
        generator: of lam; by default one seeded from torch's.
        per_sample: draw a lam for each pair, where the published code has one for the batch.

    Returns:
        The mixed inputs, floating, and (B, C) class probabilities.

    Raises:
        ValueError: alpha is not positive, or the batches cannot be paired.

    Source: Galdran, Carneiro, González Ballester, "Balanced-MixUp for Highly Imbalanced Medical Image Classification",
    MICCAI 2021.
    """
    check_partners(inputs, targets, balanced_inputs, balanced_targets)
    drawn = drawn_shares(alpha, 1, len(inputs), per_sample, given_or_seeded(generator))
    mixed, lam = interpolated(balanced_inputs, inputs, drawn)
    return mixed, soft_targets(balanced_targets, targets, lam, num_classes)
