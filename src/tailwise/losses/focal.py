"""Focal loss: well classified samples count less."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import ClassificationLoss, LossOptions, one_minus_exp
from tailwise.losses._checks import per_class_factors
from tailwise.losses._fused import RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "focal",
    paper="Lin et al., Focal Loss for Dense Object Detection, ICCV 2017",
    adjust_at_test="logit adjustment",
)
class FocalLoss(ClassificationLoss):
    """Focal loss for softmax probabilities.

        L = -alpha_y * (1 - p_y)^gamma * log p_y,   p = softmax(z)

    p_y is the softmax probability itself: neither ``weight`` nor ``alpha`` enters the focal factor. gamma = 0 is cross
    entropy.

    Args:
        gamma: focusing exponent, at least 0.
        alpha: (C,) factor of each class; unlike ``weight`` it does not enter the divisor of the mean. Default 1.
        **options: see ``LossOptions``.

    Raises:
        ValueError: ``gamma`` is negative or not finite, or ``alpha`` is not one number per class.

    Source: Lin, Goyal, Girshick, He, Dollár, "Focal Loss for Dense Object Detection", ICCV 2017.
    """

    alpha: Tensor | None

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: Tensor | Sequence[float] | None = None,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(**options)
        self.gamma = in_range("gamma", gamma, at_least=0)
        self.register_buffer("alpha", None if alpha is None else per_class_factors("alpha", alpha))

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.label_smoothing > 0:
            return None
        return RowFormula(Term.FOCAL, a=self.gamma, b=-math.inf, strength=self.alpha)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-alpha_y * (1 - p_y)^gamma * log p_y."""
        loss = -(one_minus_exp(log_p) ** self.gamma) * log_p
        return loss if self.alpha is None else self.alpha.to(loss)[label] * loss
