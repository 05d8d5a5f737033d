"""Mixing: new training samples between two, with labels between theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.schedules import PhasedProgressiveMixing

Mix: TypeAlias = Callable[[Tensor, Tensor, int, np.random.Generator], tuple[Tensor, Tensor]]
"""(inputs, targets, epoch, generator) -> (mixed inputs, class probabilities)."""


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
    mixed, partner, lam = _mixed(inputs, targets, alpha, generator, per_sample)
    return mixed, _soft_targets(targets, targets[partner], lam, num_classes)


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
    ``schedule.end`` on this is Remix.

    Args:
        class_counts: (C,) training counts, positive.
        schedule: of the label weights.
        epoch: from 0.

    The other arguments, what it returns and raises as for ``mixup``.

    Source: Xu et al., arXiv 2205.12117; Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020.
    """
    mixed, partner, lam = _mixed(inputs, targets, alpha, generator, per_sample)
    counts = class_counts if isinstance(class_counts, Tensor) else ClassCounts(class_counts).tensor()
    counts = counts.to(targets.device)
    weight = schedule.label_weight(epoch, lam, counts[targets], counts[targets[partner]])
    return mixed, _soft_targets(targets, targets[partner], weight, len(counts))


def _mixed(
    inputs: Tensor, targets: Tensor, alpha: float, generator: np.random.Generator | None, per_sample: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed inputs, the partner of each sample, and lam of shape (B,) or (1,)."""
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}; leave mixing out instead of alpha 0")
    if targets.shape != (len(inputs),) or targets.dtype != torch.int64:
        raise ValueError(
            f"targets must be {len(inputs)} int64 class indices, got {targets.dtype} of shape {tuple(targets.shape)}"
        )
    if generator is None:
        generator = np.random.default_rng(int(torch.randint(2**63 - 1, ())))
    drawn = generator.beta(alpha, alpha, len(inputs) if per_sample else 1)
    partner = torch.from_numpy(generator.permutation(len(inputs))).to(inputs.device)
    values = inputs if inputs.is_floating_point() else inputs.float()
    lam = torch.from_numpy(drawn).to(values)
    share = lam.reshape(-1, *[1] * (inputs.ndim - 1))
    return share * values + (1 - share) * values[partner], partner, lam


def _soft_targets(first: Tensor, second: Tensor, weight: Tensor, num_classes: int) -> Tensor:
    weight = weight.unsqueeze(1)
    return weight * F.one_hot(first, num_classes) + (1 - weight) * F.one_hot(second, num_classes)
