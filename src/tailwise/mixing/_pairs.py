"""Pairs of samples: who is whose partner, how much of each, and the labels that follow."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tailwise.hyperparameters import flag


def check_batch(inputs: Tensor, targets: Tensor) -> None:
    """Refuse targets that are not the (B,) class indices of ``inputs`` (B, ...)."""
    if targets.shape != (len(inputs),) or targets.dtype != torch.int64:
        raise ValueError(
            f"targets must be {len(inputs)} int64 class indices, got {targets.dtype} of shape {tuple(targets.shape)}"
        )


def check_partners(inputs: Tensor, targets: Tensor, partner_inputs: Tensor, partner_targets: Tensor) -> None:
    """Refuse two batches that cannot be paired, or one whose targets are not class indices."""
    check_batch(inputs, targets)
    if partner_inputs.shape != inputs.shape or partner_inputs.dtype != inputs.dtype:
        raise ValueError(
            f"the partners must be as many and of the same kind as the inputs, {inputs.dtype} of shape "
            f"{tuple(inputs.shape)}, got {partner_inputs.dtype} of shape {tuple(partner_inputs.shape)}"
        )
    check_batch(partner_inputs, partner_targets)


def given_or_seeded(generator: np.random.Generator | None) -> np.random.Generator:
    """The generator, or one seeded from torch's."""
    return np.random.default_rng(int(torch.randint(2**63 - 1, ()))) if generator is None else generator


def drawn_shares(
    alpha: float, beta: float, samples: int, per_sample: bool, generator: np.random.Generator
) -> NDArray[np.float64]:
    """lam ~ Beta(alpha, beta): (B,), or (1,) for the whole batch."""
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}; leave mixing out instead of alpha 0")
    return generator.beta(alpha, beta, samples if flag("per_sample", per_sample) else 1)


def shuffled(samples: int, device: torch.device, generator: np.random.Generator) -> Tensor:
    """(B,) the partner of each sample of a batch, each once."""
    return torch.from_numpy(generator.permutation(samples)).to(device)


def interpolated(first: Tensor, second: Tensor, drawn: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """lam * first + (1 - lam) * second, floating, and lam in its dtype and on its device."""
    values = first if first.is_floating_point() else first.float()
    lam = torch.from_numpy(drawn).to(values)
    share = lam.reshape(-1, *[1] * (first.ndim - 1))
    return share * values + (1 - share) * second, lam


def soft_targets(first: Tensor, second: Tensor, weight: Tensor, num_classes: int) -> Tensor:
    """(B, C) weight * onehot_first + (1 - weight) * onehot_second; ``weight`` is (B,) or (1,)."""
    weight = weight.unsqueeze(1)
    return weight * F.one_hot(first, num_classes) + (1 - weight) * F.one_hot(second, num_classes)
