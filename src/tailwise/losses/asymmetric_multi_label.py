"""Asymmetric loss, multi-label: easy negatives, of which there are many, count next to nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import flag, in_range
from tailwise.losses._base import SharedOptions
from tailwise.losses._fused import Met
from tailwise.losses._fused_decisions import DecisionFormula, Kind
from tailwise.losses._one_vs_rest import OneVsRestLoss
from tailwise.losses._registry import register_loss


@register_loss(
    "asl_multi_label",
    "multi_label_asymmetric",
    paper="Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021",
    adjust_at_test="logit adjustment",
)
class MultiLabelAsymmetricLoss(OneVsRestLoss):
    """Asymmetric loss (ASL) for any number of labels a sample.

        positive = -(1 - p)^gamma_pos * log p,   p = sigmoid(z)
        negative = -p_m^gamma_neg * log(1 - p_m),   p_m = max(p - margin, 0)
        L = sum over the classes; see ``OneVsRestLoss``

    Args:
        gamma_pos: focusing exponent of the labels that a sample has, at least 0.
        gamma_neg: that of the others, at least 0.
        margin: negatives of a probability up to it count for nothing, in [0, 1).
        detach_weight: whether the focusing factors have no gradient, as released.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: an exponent is negative, or the margin is not in [0, 1).

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021.
    """

    def __init__(
        self,
        gamma_pos: float = 1.0,
        gamma_neg: float = 4.0,
        margin: float = 0.05,
        detach_weight: bool = True,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(**options)
        self.gamma_pos = in_range("gamma_pos", gamma_pos, at_least=0)
        self.gamma_neg = in_range("gamma_neg", gamma_neg, at_least=0)
        self.margin = in_range("margin", margin, at_least=0, below=1)
        self.detach_weight = flag("detach_weight", detach_weight)

    def decision_formula(self) -> DecisionFormula:
        """See ``OneVsRestLoss``."""
        return DecisionFormula(
            Kind.ASYMMETRIC, self.gamma_pos, self.gamma_neg, self.margin, float(not self.detach_weight)
        )

    def terms(self, logits: Tensor, met: Met) -> tuple[Tensor, Tensor]:
        """See ``OneVsRestLoss``."""
        rest = torch.sigmoid(-logits)
        # log(1 - p_m); without a margin from the logit itself, where 1 - p may round to 0.
        log_rest = F.logsigmoid(-logits) if self.margin == 0 else (rest + self.margin).clamp_max(1).log()
        shifted = (1 - self.margin - rest).clamp_min(0) if self.margin else torch.sigmoid(logits)
        positive_factor, negative_factor = self._power(rest, self.gamma_pos), self._power(shifted, self.gamma_neg)
        return -positive_factor * F.logsigmoid(logits), -negative_factor * log_rest

    def _power(self, probability: Tensor, exponent: float) -> Tensor:
        """At least a power of machine epsilon, so that an exponent below 1 has no infinite slope."""
        given = probability.detach() if self.detach_weight else probability
        return given.clamp_min(torch.finfo(given.dtype).eps) ** exponent
