"""PPmix: from mixup to Remix over the epochs."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tailwise.counts import CountsLike
from tailwise.mixing._mixup import mixed_pairs
from tailwise.mixing._pairs import soft_targets
from tailwise.mixing._remix import counts_beside
from tailwise.schedules import PhasedProgressiveMixing


def phased_mixup(
    inputs: Tensor,
    targets: Tensor,
    class_counts: CountsLike,
    schedule: PhasedProgressiveMixing,
    epoch: int,
    alpha: float = 1.0,
    generator: np.random.Generator | None = None,
    per_sample: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mixup whose labels come to favour the rarer class of each pair (PPmix).

        x = lam * x_a + (1 - lam) * x_b,   q = v * onehot_a + (1 - v) * onehot_b
        v = schedule.label_weight(epoch, lam, n_a, n_b)

    v belongs to each pair. The published code takes its mean over the batch, as its loss is a mean already. From
    ``schedule.end`` on this is ``remix``.

    Args:
        class_counts: (C,) training counts, positive.
        schedule: of the label weights.
        epoch: from 0.

    The other arguments, what it returns and raises as for ``mixup``.

    Source: Xu et al., arXiv 2205.12117; Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020.
    """
    mixed, partner, lam = mixed_pairs(inputs, targets, alpha, generator, per_sample)
    counts = counts_beside(targets, class_counts)
    weight = schedule.label_weight(epoch, lam, counts[targets], counts[targets[partner]])
    return mixed, soft_targets(targets, targets[partner], weight, len(counts))
