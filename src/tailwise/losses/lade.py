"""LADE: balanced softmax, and an estimate of how far the logits are from those of balanced data."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._base import SHARED_OPTION_NAMES, SharedOptions
from tailwise.losses._checks import one_hot, require_mean
from tailwise.losses._fused import Partition, RowFormula
from tailwise.losses._registry import register_loss
from tailwise.losses.logit_adjusted import LogitAdjustedLoss

LARGEST = 1e15
"""Of a log partition: its square is within float32's range."""


@register_loss(
    "lade",
    paper="Hong et al., Disentangling Label Distribution for Long-Tailed Visual Recognition, CVPR 2021",
)
class LADELoss(LogitAdjustedLoss):
    """Label distribution disentangling loss.

        L = -log softmax(z + log pi)_y  +  regularizer_weight * R,   pi_c = n_c / N
        R = -sum_c pi_c * (T_c - S_c - remine_lambda * S_c^2)
        T_c = mean of z_ic over the batch's samples of class c (0 where it has none)
        S_c = log mean_i exp(z_ic - log(C * pi_c)) over all samples of the batch

    T - S is the Donsker-Varadhan bound of how well z_c tells class c from a class-balanced set; with it the logits
    come to hold log p(x|c) alone. Predict with z for balanced data; for a known other test prior add its logarithm
    (``PriorShift``).

    One number for a whole batch: ``reduction`` is "mean" alone, and the batch should hold many samples a class. It
    grows with the square of the logits: the gradient of float16 logits above some 10,000 may be more than it holds.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        remine_lambda: weight of S^2, at least 0; it keeps the estimate from drifting.
        regularizer_weight: weight of R, at least 0; 0 is balanced softmax.
        **options: see ``SharedOptions``; ``reduction`` is "mean".

    Raises:
        ValueError: a class has count 0, a number is out of its range, or the ``reduction`` is another.

    Source: Hong et al., "Disentangling Label Distribution for Long-Tailed Visual Recognition", CVPR 2021,
    equations 9 and 10.
    """

    option_names = SHARED_OPTION_NAMES
    sums_samples = False
    is_softmax = False

    def __init__(
        self,
        class_counts: CountsLike,
        remine_lambda: float = 0.1,
        regularizer_weight: float = 0.1,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        require_mean(self)
        self.remine_lambda = in_range("remine_lambda", remine_lambda, at_least=0)
        self.regularizer_weight = in_range("regularizer_weight", regularizer_weight, at_least=0)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``; R is over the columns."""
        formula = super().row_formula()
        if formula is None:
            return None
        shift = self.log_prior + math.log(len(self.log_prior))
        partition = Partition(self.log_prior.exp(), shift, self.remine_lambda, self.regularizer_weight)
        return formula._replace(partition=partition)

    def regularizer(self, logits: Tensor, target: Tensor) -> Tensor:
        """R of a batch: logits (B, C); target (B,) class indices or (B, C) probabilities."""
        valid = torch.ones_like(logits[:, 0], dtype=torch.bool)
        if not target.is_floating_point():
            valid = target != self.ignore_index
            target = one_hot(target, logits.shape[1], valid).to(logits.dtype)
        if len(logits) == 0:
            return logits.sum()
        log_prior = self.log_prior.to(logits)
        actual = target.sum(dim=0)
        mean = (target * logits).sum(dim=0) / torch.where(actual > 0, actual, 1)
        shifted = logits - log_prior - math.log(logits.shape[1])
        # Ignored samples far below all others, and not at -inf, where a batch of them alone would have no gradient.
        considered = shifted.masked_fill(~valid.unsqueeze(1), torch.finfo(logits.dtype).min / 4)
        log_partition = considered.logsumexp(dim=0) - valid.sum().clamp_min(1).to(logits.dtype).log()
        bound = mean - log_partition - self.remine_lambda * log_partition.clamp(-LARGEST, LARGEST).square()
        return torch.where(valid.any(), -(log_prior.exp() * bound).sum(), 0.0)

    def by_operations(self, logits: Tensor, target: Tensor) -> Tensor:
        """See ``ClassificationLoss``."""
        cross_entropy = super().by_operations(logits, target)
        if target.is_floating_point():
            target = target.to(logits.dtype)
        return cross_entropy + self.regularizer_weight * self.regularizer(logits, target)
