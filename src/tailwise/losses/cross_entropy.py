"""Cross entropy: the baseline."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.losses._base import ClassificationLoss, LossOptions
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "cross_entropy",
    "ce",
    paper="textbook",
    adjust_at_test="logit adjustment",
)
class CrossEntropyLoss(ClassificationLoss):
    """Cross entropy, equal to ``torch.nn.CrossEntropyLoss`` in every option.

        L = -log p_y,   p = softmax(z)

    One difference: where every target of a batch is ignored, the mean is 0 and not NaN.

    Args:
        **options: ``weight``, ``ignore_index``, ``label_smoothing``, ``reduction`` as in torch.
    """

    def __init__(self, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        return RowFormula(Term.CROSS_ENTROPY, other=Other.LINEAR, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y."""
        return -log_p
