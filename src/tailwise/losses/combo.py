"""Combo loss: weighted cross entropy and Dice coefficient together."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import SharedOptions
from tailwise.losses._fused import Region, RegionFormula, RowFormula, Term
from tailwise.losses._region import Overlap, RegionLoss, dice_coefficient
from tailwise.losses._registry import register_loss


@register_loss("combo", paper="Taghanaki et al., Combo Loss, 2019")
class ComboLoss(RegionLoss):
    """Combo loss: a mean over the samples less a mean over the classes.

        L = alpha * mean_i (-b_y * log p_y) - (1 - alpha) * 1/C * sum_c D_c
        D_c = (2*TP_c + 2*smooth) / (2*TP_c + FP_c + FN_c + 2*smooth),   p = softmax(z)
        b = (beta, 1 - beta) with two classes and a beta, else 1

    TP, FP and FN as in ``FocalTverskyLoss``. The value is negative where the overlap is good.

    Args:
        alpha: share of the cross entropy, from 0 to 1.
        beta: of two classes, the weight of class 0 in the cross entropy, from 0 to 1; above 1/2 it is class 0 whose
            samples must not be missed. Default none: both count 1. More classes are weighted with ``weight``.
        smooth: positive.
        **options: see ``SharedOptions``; ``reduction`` is "mean".

    Raises:
        ValueError: an argument is out of its range, or ``beta`` is given and the logits have not two classes.

    Source: Taghanaki et al., "Combo loss: Handling input and output imbalance in multi-organ segmentation",
    Computerized Medical Imaging and Graphics 2019.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float | None = None,
        smooth: float = 1e-6,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = in_range("alpha", alpha, at_least=0, at_most=1)
        self.beta = None if beta is None else in_range("beta", beta, at_least=0, at_most=1)
        self.smooth = in_range("smooth", smooth, above=0)

    def match_classes(self, num_classes: int, device: torch.device) -> None:
        """Refuse a beta where there is no pair of classes for it."""
        super().match_classes(num_classes, device)
        if self.beta is not None and num_classes != 2:
            raise ValueError(f"beta weights two classes, but the logits have {num_classes}; use weight instead")

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-alpha * b_y * log p_y."""
        cross_entropy = -self.alpha * log_p
        if self.beta is None:
            return cross_entropy
        return cross_entropy * (self.beta + (1 - 2 * self.beta) * label.to(log_p.dtype))

    def row_formula(self) -> RowFormula:
        """See ``RegionLoss``."""
        strength = None if self.beta is None else torch.tensor([self.beta, 1 - self.beta])
        return RowFormula(Term.CROSS_ENTROPY, strength=strength, factor=self.alpha)

    def region_formula(self) -> RegionFormula:
        """See ``RegionLoss``."""
        return RegionFormula(Region.DICE, 2 * self.smooth, class_share=1 - self.alpha)

    def class_term(self, overlap: Overlap) -> Tensor:
        """-(1 - alpha) * D_c."""
        return -(1 - self.alpha) * dice_coefficient(overlap, 2 * self.smooth)
