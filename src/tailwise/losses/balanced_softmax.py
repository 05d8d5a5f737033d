"""Balanced softmax: the softmax that is Bayes-optimal when training is long-tailed and the test is balanced."""

from __future__ import annotations

from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.losses._base import LossOptions
from tailwise.losses._registry import register_loss
from tailwise.losses.logit_adjusted import LogitAdjustedLoss


@register_loss(
    "balanced_softmax",
    "bs",
    paper="Ren et al., Balanced Meta-Softmax for Long-Tailed Visual Recognition, NeurIPS 2020",
)
class BalancedSoftmaxLoss(LogitAdjustedLoss):
    """Balanced softmax.

        L = -log( n_y^tau exp(z_y) / sum_c n_c^tau exp(z_c) )

    Predict with the plain logits z. The same function as the logit-adjusted loss, found by another argument and known
    by its own name.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        tau: strength; the paper's is 1.
        **options: see ``LossOptions``.

    Raises:
        ValueError: a class has count 0, or tau is not finite.

    Source: Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020, equation 3.
    """

    def __init__(self, class_counts: CountsLike, tau: float = 1.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(class_counts, tau, False, **options)
