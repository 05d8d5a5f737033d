"""SGPL: the gradient penalty of each class grows in steps with its frequency."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range, one_of
from tailwise.losses._base import ClassificationLoss, SharedOptions, Variant, double_precision
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._gradient_penalty import penalised_cross_entropy
from tailwise.losses._registry import register_loss


@register_loss("sgpl", paper="Ren, Feng, Zhou, SGPL, 2024")
class SGPLLoss(ClassificationLoss):
    """Stepwise gradient penalty loss.

        K_c = (f_c - f_min) / (f_max - f_min),   f_c = n_c / N          (0 for all classes when counts are equal)
        phi(p) = min(p + K_y*m, 1)
        psi(p) = (alpha*(1 - p) + beta) * K_y
        L = -q_y * (1 - p_y)^psi(p_y) * log phi(p_y)  -  sum_{j != y} q_j * log p_j
        p = softmax(z),   q_y = 1 - eps + eps / C,   q_j = eps / C

    With equal counts it is cross entropy; with K in {0, 1} and eps = 0 it is GPPE.

    Args:
        class_counts: (C,) training counts n_c.
        alpha: slope of the exponent in 1 - p_y.
        beta: offset of the exponent.
        margin: m, shift of the probability, 0 <= m < 1.
        label_smoothing: eps.
        variant: "published" is the formula above; "released" cuts K to an integer as the authors' code does, so that
            only the most frequent class keeps a penalty.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: alpha or beta is not finite, the margin is out of range, or the variant unknown.

    Source: Ren, Feng, Zhou, the stepwise gradient penalty loss (SGPL), 2024.
    """

    class_coefficient: Tensor

    def __init__(
        self,
        class_counts: CountsLike,
        alpha: float = -2.0,
        beta: float = 6.0,
        margin: float = 0.05,
        label_smoothing: float = 0.1,
        variant: Variant = "published",
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, label_smoothing=label_smoothing, **options)
        one_of("variant", variant, get_args(Variant))
        self.alpha = in_range("alpha", alpha)
        self.beta = in_range("beta", beta)
        self.margin = in_range("margin", margin, at_least=0, below=1)
        self.variant = variant
        self.derive()

    def derive(self) -> None:
        """K_c."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        spread = counts.max() - counts.min()
        coefficient = (counts - counts.min()) / spread if spread > 0 else torch.zeros_like(counts)
        self.class_coefficient = coefficient.floor() if self.variant == "released" else coefficient

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        strength = self.class_coefficient
        penalty = RowFormula(Term.PENALTY, self.alpha, self.beta, self.margin, strength=strength)
        return penalty._replace(other=Other.LINEAR, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-(1 - p_y)^psi(p_y) * log phi(p_y)."""
        strength = self.class_coefficient.to(log_p)[label]
        return penalised_cross_entropy(log_p, strength, self.alpha, self.beta, self.margin)

    def other_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_j."""
        return -log_p
