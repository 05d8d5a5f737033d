"""The penalised and shifted cross entropy that GPPE and SGPL share."""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.losses._base import one_minus_exp


def penalised_cross_entropy(
    log_p: Tensor, strength: Tensor, alpha: float, beta: float, margin: float, detach_weight: bool = False
) -> Tensor:
    """-(1 - p)^((alpha*(1 - p) + beta) * K) * log(min(p + K*m, 1)), elementwise; K = 0 is -log p exactly.

    Args:
        log_p: log-probability of the true class.
        strength: K, from 0 (cross entropy) to 1 (full penalty); broadcasts with ``log_p``.
        alpha: slope of the exponent.
        beta: offset of the exponent.
        margin: m, shift of the probability.
        detach_weight: no gradient through the factor before the logarithm.
    """
    distance = one_minus_exp(log_p)
    factor = distance ** ((alpha * distance + beta) * strength)
    # log(p + K*m) without leaving the log domain: p itself may be too small for the format.
    log_phi = torch.logaddexp(log_p, (strength * margin).log()).clamp_max(0.0)
    return -(factor.detach() if detach_weight else factor) * log_phi
