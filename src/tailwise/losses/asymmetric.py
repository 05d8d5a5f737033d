"""Asymmetric loss, single label: the target and the other classes are focused differently."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range
from tailwise.losses._base import ClassificationLoss, SharedOptions, one_minus_exp
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "asl",
    "asymmetric",
    paper="Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021",
    adjust_at_test="logit adjustment",
)
class AsymmetricLoss(ClassificationLoss):
    """Asymmetric loss (ASL) for one label a sample.

        L = -q_y * (1 - p_y)^gamma_pos * log p_y  -  sum_{j != y} q_j * p_j^gamma_neg * log p_j
        p = softmax(z),   q_y = 1 - eps + eps / C,   q_j = eps / C

    Without label smoothing the other classes have no weight and only ``gamma_pos`` acts.

    Args:
        gamma_pos: focusing exponent of the target class, at least 0.
        gamma_neg: focusing exponent of the other classes, at least 0.
        label_smoothing: eps.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: an exponent is negative or not finite.

    Source: Ridnik et al., "Asymmetric Loss For Multi-Label Classification", ICCV 2021 (its single-label form).
    """

    def __init__(
        self,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        label_smoothing: float = 0.1,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, **options)
        self.gamma_pos = in_range("gamma_pos", gamma_pos, at_least=0)
        self.gamma_neg = in_range("gamma_neg", gamma_neg, at_least=0)

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        own = Term.CYCLICAL if self.gamma_pos > 0 else Term.CROSS_ENTROPY
        return RowFormula(own, a=self.gamma_pos, other=Other.FOCUSED, gamma=self.gamma_neg, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-(1 - p_y)^gamma_pos * log p_y."""
        return -(one_minus_exp(log_p) ** self.gamma_pos) * log_p

    def other_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-p_j^gamma_neg * log p_j."""
        return -(self.gamma_neg * log_p).exp() * log_p
