"""Focal Tversky loss: overlap in which a missed sample may cost more than a false alarm."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import SharedOptions
from tailwise.losses._fused import Region, RegionFormula
from tailwise.losses._region import Overlap, RegionLoss, focal_tversky
from tailwise.losses._registry import register_loss


@register_loss("focal_tversky", "ftl", paper="Abraham and Khan, A Novel Focal Tversky Loss Function, ISBI 2019")
class FocalTverskyLoss(RegionLoss):
    """Focal Tversky loss over a batch.

        L = 1/C * sum_c (1 - TI_c)^gamma
        TI_c = (TP_c + smooth) / (TP_c + delta * FN_c + (1 - delta) * FP_c + smooth)
        TP_c = sum_i q_ic p_ic,   FN_c = sum_i q_ic (1 - p_ic),   FP_c = sum_i (1 - q_ic) p_ic,   p = softmax(z)

    q is the target distribution, i runs over the samples of the batch. delta = 1/2 and gamma = 1 is Dice loss.

    Args:
        delta: cost of a missed sample against that of a false alarm, from 0 to 1.
        gamma: exponent, positive; below 1 it favours classes that overlap well, above 1 those that do not.
        smooth: added to numerator and denominator, positive.
        **options: see ``SharedOptions``; ``reduction`` is "mean".

    Raises:
        ValueError: an argument is out of its range.

    Source: Abraham, Khan, "A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation",
    ISBI 2019; names and defaults as in Yeung et al., "Unified Focal loss", 2022.
    """

    def __init__(
        self, delta: float = 0.7, gamma: float = 0.75, smooth: float = 1e-6, **options: Unpack[SharedOptions]
    ) -> None:
        super().__init__(**options)
        self.delta = in_range("delta", delta, at_least=0, at_most=1)
        self.gamma = in_range("gamma", gamma, above=0)
        self.smooth = in_range("smooth", smooth, above=0)

    def region_formula(self) -> RegionFormula:
        """See ``RegionLoss``."""
        return RegionFormula(Region.TVERSKY, self.smooth, delta=self.delta, gamma=self.gamma)

    def class_term(self, overlap: Overlap) -> Tensor:
        """(1 - TI_c)^gamma."""
        return focal_tversky(overlap, self.delta, self.gamma, self.smooth)
