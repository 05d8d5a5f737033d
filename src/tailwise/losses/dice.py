"""Dice loss, plain and self-adjusting."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import SharedOptions, one_minus_exp
from tailwise.losses._fused import Region, RegionFormula
from tailwise.losses._region import Overlap, RegionLoss, dice_coefficient
from tailwise.losses._registry import register_loss


@register_loss("dice", paper="Li et al., Dice Loss for Data-imbalanced NLP Tasks, ACL 2020")
class DiceLoss(RegionLoss):
    """Dice loss over a batch, with the self-adjusting factor of the DSC loss.

        L = 1/C * sum_c (1 - (2 * sum_i q_ic * s_ic + smooth) / (sum_i s_ic + sum_i q_ic + smooth))
        s = (1 - p)^alpha * p,   p = softmax(z),   q the target distribution, i over the samples of the batch

    alpha = 0 is the Dice loss of Milletari et al.; alpha = 1 is the self-adjusting one, in which samples of high
    probability count less. Li et al. write it for one sample; their code takes it over a batch, as here.

    Args:
        alpha: exponent of the self-adjusting factor, at least 0.
        smooth: added to numerator and denominator, positive.
        **options: see ``SharedOptions``; ``reduction`` is "mean".

    Raises:
        ValueError: an argument is out of its range.

    Source: Milletari, Navab, Ahmadi, "V-Net", 3DV 2016; Li et al., "Dice Loss for Data-imbalanced NLP Tasks", ACL 2020.
    """

    def __init__(self, alpha: float = 0.0, smooth: float = 1.0, **options: Unpack[SharedOptions]) -> None:
        super().__init__(**options)
        self.alpha = in_range("alpha", alpha, at_least=0)
        self.smooth = in_range("smooth", smooth, above=0)

    def score(self, log_prob: Tensor) -> Tensor:
        """(1 - p)^alpha * p."""
        p = log_prob.exp()
        return p if self.alpha == 0 else one_minus_exp(log_prob) ** self.alpha * p

    def region_formula(self) -> RegionFormula:
        """See ``RegionLoss``."""
        return RegionFormula(Region.DICE, self.smooth, alpha=self.alpha, gamma=1.0)

    def class_term(self, overlap: Overlap) -> Tensor:
        """One minus the Dice coefficient."""
        return 1 - dice_coefficient(overlap, self.smooth)
