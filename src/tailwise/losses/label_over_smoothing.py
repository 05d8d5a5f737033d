"""Label over-smoothing: a head retrained with labels smoothed almost to uniform."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.losses._base import ClassificationLoss, SharedOptions
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "label_over_smoothing",
    "los",
    paper="Sun et al., Rethinking Classifier Re-Training in Long-Tailed Recognition, ICLR 2025",
    adjust_at_test="logit adjustment",
)
class LabelOverSmoothingLoss(ClassificationLoss):
    """Cross entropy with label smoothing close to 1 (LOS).

        L = -(1 - eps) * log p_y - eps / C * sum_j log p_j,   p = softmax(z)

    For the second stage: the backbone is frozen and the head is trained anew (see ``stage2``). With targets so near to
    uniform the logits of all classes come out of one size, frequent and rare. In one stage it learns little.

    Args:
        label_smoothing: eps, the paper's is 0.98.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: ``label_smoothing`` is not in [0, 1].

    Source: Sun et al., "Rethinking Classifier Re-Training in Long-Tailed Recognition: Label Over-Smooth Can Balance",
    ICLR 2025.
    """

    def __init__(self, label_smoothing: float = 0.98, **options: Unpack[SharedOptions]) -> None:
        super().__init__(label_smoothing=label_smoothing, **options)

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        return RowFormula(Term.CROSS_ENTROPY, other=Other.LINEAR, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p."""
        return -log_p
