"""Poly loss: cross entropy or focal loss with the first term of its expansion in 1 - p reweighted."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import ClassificationLoss, LossOptions, one_minus_exp
from tailwise.losses._fused import RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "poly",
    "poly1",
    paper="Leng et al., PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions, ICLR 2022",
    adjust_at_test="logit adjustment",
)
class PolyLoss(ClassificationLoss):
    """Poly-1 loss.

        L = -(1 - p_y)^gamma * log p_y + epsilon * (1 - p_y)^(gamma + 1),   p = softmax(z)

    -log p = sum_k (1 - p)^k / k: epsilon is added to the coefficient of its first term. gamma = 0 is the paper's loss
    of cross entropy, gamma = 2 that of the focal loss. For imbalanced data the paper takes a negative epsilon where
    the classifier is too confident and a positive one where it is too little so.

    Args:
        epsilon: added to the coefficient of 1 - p_y, at least -1 (where it cancels the term).
        gamma: focusing exponent, at least 0.
        **options: see ``LossOptions``.

    Raises:
        ValueError: ``epsilon`` is below -1, ``gamma`` is negative, or one is not finite.

    Source: Leng et al., "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", ICLR 2022.
    """

    def __init__(self, epsilon: float = 1.0, gamma: float = 0.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.epsilon = in_range("epsilon", epsilon, at_least=-1)
        self.gamma = in_range("gamma", gamma, at_least=0)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.label_smoothing > 0:
            return None
        return RowFormula(Term.POLY, a=self.gamma, b=self.epsilon)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-(1 - p_y)^gamma * log p_y + epsilon * (1 - p_y)^(gamma + 1)."""
        rest = one_minus_exp(log_p)
        return rest**self.gamma * (self.epsilon * rest - log_p)
