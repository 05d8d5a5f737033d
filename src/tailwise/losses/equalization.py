"""Softmax equalization loss: frequent classes do not push rare ones down."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Self, Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._base import SharedOptions, double_precision
from tailwise.losses._fused import PLAIN, Met, Negatives, RowFormula, Term, left_out
from tailwise.losses._registry import register_loss
from tailwise.losses._weighted_negatives import WeightedNegativesLoss


@register_loss(
    "equalization",
    "eql",
    paper="Tan et al., Equalization Loss for Long-Tailed Object Recognition, CVPR 2020",
    adjust_at_test="logit adjustment",
)
class EqualizationLoss(WeightedNegativesLoss):
    """Softmax equalization loss (SEQL).

        L = -log( exp(z_y) / sum_k w_k * exp(z_k) ),   w_k = 1 - beta * T(pi_k) * (1 - [k = y])
        T(pi) = [pi < threshold],   beta ~ Bernoulli(gamma),   pi_k = n_k / N

    A rare class is left out of the softmax of other classes' samples with probability gamma, drawn for each sample and
    class from torch's generator. In evaluation mode nothing is drawn and beta is its mean: w = 1 - gamma.

    Args:
        class_counts: (C,) training counts n_k.
        gamma: probability of leaving a rare class out, from 0 to 1; the paper's is 0.9 or more.
        threshold: share of the training samples below which a class is rare; default 1 / C, the mean share. The paper
            gives values for its own data sets, from 1e-4 to 5e-3.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: ``gamma`` is not in [0, 1], or ``threshold`` is not in (0, 1].

    Source: Tan et al., "Equalization Loss for Long-Tailed Object Recognition", CVPR 2020, equations 6 and 7.
    """

    rare: Tensor

    def __init__(
        self,
        class_counts: CountsLike,
        gamma: float = 0.9,
        threshold: float | None = None,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        self.gamma = in_range("gamma", gamma, at_least=0, at_most=1)
        self.threshold = None if threshold is None else in_range("threshold", threshold, above=0, at_most=1)
        self.derive()

    def derive(self) -> None:
        """T."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        threshold = 1 / len(counts) if self.threshold is None else self.threshold
        self.rare = counts / counts.sum() < threshold

    def train(self, mode: bool = True) -> Self:
        """As of any module; what is prepared of the other mode is not of use."""
        self._forget()
        return super().train(mode)

    def meet(self, target: Tensor, num_classes: int) -> Met:
        """The seed of the draws, from torch's generator."""
        return Met(seed=int(torch.empty((), dtype=torch.int64).random_())) if self.training else PLAIN

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``: with draws, or with log w as an offset that the own class is spared."""
        if self.training or self.gamma == 1:
            return RowFormula(Term.CROSS_ENTROPY, negatives=Negatives(self.rare, self._limit()))
        log_weights = self._mean_log_weights(torch.float64)
        return RowFormula(Term.CROSS_ENTROPY, offset=log_weights, margin=log_weights)

    def log_weights(self, logits: Tensor, label: Tensor, met: Met) -> Tensor:
        """Log w of the other classes."""
        if not self.training:
            return self._mean_log_weights(logits.dtype).to(logits.device).expand_as(logits)
        if met is PLAIN:
            drawn = torch.rand_like(logits) < self.gamma
        else:
            drawn = left_out(met.seed, self._limit(), *logits.shape)
        return torch.zeros_like(logits).masked_fill(drawn & self.rare.to(logits.device), -torch.inf)

    def _limit(self) -> int:
        """The part of 2^24 that is gamma."""
        return round(self.gamma * 2**24)

    def _mean_log_weights(self, dtype: torch.dtype) -> Tensor:
        return (1 - self.gamma * self.rare.to(dtype)).log()
