"""Remix: mixup that gives the label to the rarer class."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.mixing._mixup import mixed_pairs
from tailwise.mixing._pairs import soft_targets
from tailwise.weights import remix_label_weights


def remix(
    inputs: Tensor,
    targets: Tensor,
    class_counts: CountsLike,
    alpha: float = 1.0,
    kappa: float = 3.0,
    tau: float = 0.5,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mixup whose label is the rarer class's alone, where the classes of a pair differ enough in count.

        x = lam * x_a + (1 - lam) * x_b,   q = v * onehot_a + (1 - v) * onehot_b
        v = 0      n_a / n_b >= kappa and lam < tau
            1      n_a / n_b <= 1 / kappa and 1 - lam < tau
            lam    otherwise

    Args:
        inputs: (B, ...) images or features.
        targets: (B,) int64 class indices.
        class_counts: (C,) training counts n_c, positive.
        alpha: of lam ~ Beta(alpha, alpha), positive.
        kappa: ratio of counts from which on a label moves, at least 1.
        tau: share of the more frequent class below which it gives its label away, from 0 (mixup) to 1.
        generator: of lam and of the pairs; by default one seeded from torch's.
        per_sample: draw a lam for each pair, where the paper has one for the batch.

    Returns:
        The mixed inputs, floating, and (B, C) class probabilities.

    Raises:
        ValueError: an argument is out of its range, or the targets are not (B,) class indices.

    Source: Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020.
    """
    mixed, partner, lam = mixed_pairs(inputs, targets, alpha, generator, per_sample)
    counts = counts_beside(targets, class_counts)
    weight = remix_label_weights(lam, counts[targets], counts[targets[partner]], kappa, tau)
    return mixed, soft_targets(targets, targets[partner], weight, len(counts))


def counts_beside(targets: Tensor, class_counts: CountsLike) -> Tensor:
    """(C,) counts on the device of the targets."""
    counts = class_counts if isinstance(class_counts, Tensor) else ClassCounts(class_counts).tensor()
    return counts.to(targets.device)
