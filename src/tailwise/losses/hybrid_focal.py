"""Hybrid focal loss: focal loss and focal Tversky loss together."""

from __future__ import annotations

import math

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import SharedOptions, one_minus_exp
from tailwise.losses._fused import Region, RegionFormula, RowFormula, Term
from tailwise.losses._region import Overlap, RegionLoss, focal_tversky
from tailwise.losses._registry import register_loss


@register_loss("hybrid_focal", "hfl", paper="Yeung et al., Unified Focal loss, 2022")
class HybridFocalLoss(RegionLoss):
    """Hybrid focal loss: a mean over the samples and a mean over the classes.

        L = lambda * mean_i (-(1 - p_y)^focal_gamma * log p_y) + (1 - lambda) * 1/C * sum_c (1 - TI_c)^gamma
        TI_c = (TP_c + smooth) / (TP_c + delta * FN_c + (1 - delta) * FP_c + smooth),   p = softmax(z)

    TP, FP and FN as in ``FocalTverskyLoss``.

    Args:
        focal_share: lambda, from 0 (focal Tversky loss) to 1 (focal loss).
        focal_gamma: exponent of the focal loss, at least 0.
        delta: cost of a missed sample against that of a false alarm, from 0 to 1.
        gamma: exponent of the Tversky part, positive.
        smooth: positive.
        **options: see ``SharedOptions``; ``reduction`` is "mean".

    Raises:
        ValueError: an argument is out of its range.

    Source: Yeung, Sala, Schönlieb, Rundo, "Unified Focal loss: Generalising Dice and cross entropy-based losses to
    handle class imbalanced medical image segmentation", Computerized Medical Imaging and Graphics 2022.
    """

    def __init__(
        self,
        focal_share: float = 0.5,
        focal_gamma: float = 2.0,
        delta: float = 0.7,
        gamma: float = 0.75,
        smooth: float = 1e-6,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(**options)
        self.focal_share = in_range("focal_share", focal_share, at_least=0, at_most=1)
        self.focal_gamma = in_range("focal_gamma", focal_gamma, at_least=0)
        self.delta = in_range("delta", delta, at_least=0, at_most=1)
        self.gamma = in_range("gamma", gamma, above=0)
        self.smooth = in_range("smooth", smooth, above=0)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-lambda * (1 - p_y)^focal_gamma * log p_y."""
        return -self.focal_share * one_minus_exp(log_p) ** self.focal_gamma * log_p

    def row_formula(self) -> RowFormula:
        """See ``RegionLoss``."""
        return RowFormula(Term.FOCAL, a=self.focal_gamma, b=-math.inf, factor=self.focal_share)

    def region_formula(self) -> RegionFormula:
        """See ``RegionLoss``."""
        share = 1 - self.focal_share
        return RegionFormula(Region.TVERSKY, self.smooth, delta=self.delta, gamma=self.gamma, class_share=share)

    def class_term(self, overlap: Overlap) -> Tensor:
        """(1 - lambda) * (1 - TI_c)^gamma."""
        return (1 - self.focal_share) * focal_tversky(overlap, self.delta, self.gamma, self.smooth)
