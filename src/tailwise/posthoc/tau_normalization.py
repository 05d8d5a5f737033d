"""Tau-normalisation, seen from the logits: what shortening the class weights makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.posthoc._base import PosthocCorrection
from tailwise.two_stage import powered_lengths


class TauNormalization(PosthocCorrection):
    """What ``tailwise.two_stage.tau_normalized`` makes of a linear head, from the logits that the head gave.

        (z_c - b_c) / |w_c|^tau

    Needs the trained head; to find tau, a validation set (``search_tau``).

    Args:
        weight: (C, F) w of the head that gave the logits.
        bias: (C,) b, where it has one.
        tau: 0 takes the bias away, 1 also all differences in length; not negative.

    Raises:
        ValueError: the shapes do not fit, or tau is negative or not finite.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """

    needs = "the trained head"

    def __init__(self, weight: Tensor, bias: Tensor | None = None, tau: float = 1.0) -> None:
        if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
            given = None if bias is None else tuple(bias.shape)
            raise ValueError(f"weight must be (C, F) and bias (C,), got shapes {tuple(weight.shape)} and {given}")
        self.divisor = powered_lengths(weight, tau)
        self.bias = torch.zeros_like(self.divisor) if bias is None else bias.detach()

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        if logits.shape[1] != len(self.divisor):
            raise ValueError(f"logits have {logits.shape[1]} classes but the head has {len(self.divisor)}")
        return (logits - self.bias.to(logits)) / self.divisor.to(logits)
