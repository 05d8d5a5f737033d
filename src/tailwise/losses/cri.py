"""CRI: margin, focus on hard samples, and a correction for samples too hard to be right."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range, one_of
from tailwise.losses._base import LossOptions, one_minus_exp
from tailwise.losses._fused import RowFormula, Term
from tailwise.losses._registry import register_loss
from tailwise.losses.ldam import LDAMLoss

Correction: TypeAlias = Literal["zero", "clip", "decay", "none"]


@register_loss("cri", paper="Xu et al., Phased Progressive Learning with Coupling-Regulation-Imbalance Loss, 2022")
class CRILoss(LDAMLoss):
    """Coupling-regulation-imbalance loss, on cosine logits: LDAM margin, focal factor, correction for outliers.

        Delta_j = max_margin * n_j^(-1/4) / max_k n_k^(-1/4)
        l = -log softmax(s * (z - Delta_y * onehot_y))_y,   p = exp(-l)
        f = (1 - p)^gamma * l,   th = -(1 - T)^gamma * log T
        where p < T:  correction "zero": f = 0,  "clip": f = th,  "decay": f = p * th / T
        L = sum_i w_{y_i} f_i / sum_i w_{y_i}

    The correction is meant for each sample, and works so here; the published code applies it to the mean of a batch,
    with T = 1e-50, where it never acts. With that default it acts on samples of l > 115 alone, which cosines scaled by
    30 do not reach: raise ``threshold`` to take outliers out.

    The weights w are ``weight``, which ``PhasedProgressiveWeights`` sets by epoch. A soft target q, as mixing makes it,
    counts by its shares in both sums, L = sum_ic q_ic w_c f_ic / sum_ic q_ic w_c. Other losses divide by B there, as
    torch does; with inverse-frequency weights that would shrink the gradient several times over.

    Args:
        class_counts: (C,) training counts n_j, all positive.
        max_margin: margin of the rarest class, in units of the cosine.
        scale: s, positive.
        gamma: focusing exponent, at least 0.
        correction: "zero", "clip", "decay" or "none".
        threshold: T, between 0 and 1.
        **options: see ``LossOptions``.

    Raises:
        ValueError: an argument is out of its range, or a class has count 0.

    Source: Xu et al., "Phased Progressive Learning with Coupling-Regulation-Imbalance Loss for Imbalanced Data
    Classification", arXiv 2205.12117.
    """

    def __init__(
        self,
        class_counts: CountsLike,
        max_margin: float = 0.5,
        scale: float = 30.0,
        gamma: float = 1.0,
        correction: Correction = "zero",
        threshold: float = 1e-50,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(class_counts, max_margin, scale, **options)
        one_of("correction", correction, get_args(Correction))
        self.gamma = in_range("gamma", gamma, at_least=0)
        self.correction = correction
        self.threshold = in_range("threshold", threshold, above=0, below=1)

    def _shares(self, target: Tensor, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        """See ``ClassificationLoss``; here a soft target counts by the weights of its classes."""
        if weight is None or not target.is_floating_point():
            return super()._shares(target, weight, dtype)
        return (target.to(dtype) * weight).sum(dim=1)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        formula = super().row_formula()
        if formula is None or self.correction == "none":
            return formula and formula._replace(term=Term.FOCAL, a=self.gamma, b=-math.inf)
        log_threshold = math.log(self.threshold)
        at_threshold = 0.0 if self.correction == "zero" else -((1 - self.threshold) ** self.gamma) * log_threshold
        return formula._replace(
            term=Term.FOCAL, a=self.gamma, b=log_threshold, c=at_threshold, d=float(self.correction == "decay")
        )

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """The corrected (1 - p)^gamma * l."""
        focused = -(one_minus_exp(log_p) ** self.gamma) * log_p
        if self.correction == "none":
            return focused
        log_threshold = math.log(self.threshold)
        at_threshold = -((1 - self.threshold) ** self.gamma) * log_threshold
        if self.correction == "decay":
            corrected = at_threshold * (log_p - log_threshold).clamp_max(0.0).exp()
        else:
            corrected = torch.full_like(log_p, at_threshold if self.correction == "clip" else 0.0)
        return torch.where(log_p < log_threshold, corrected, focused)
