"""LDAM: the rarer a class, the larger the margin by which it must win."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._base import LossOptions, double_precision
from tailwise.losses._checks import require_every_class
from tailwise.losses._fused import RowFormula, Term
from tailwise.losses._margin import MarginLoss
from tailwise.losses._registry import register_loss


@register_loss(
    "ldam",
    paper="Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, NeurIPS 2019",
)
class LDAMLoss(MarginLoss):
    """Label-distribution-aware margin loss, on cosine logits.

        Delta_j = max_margin * n_j^(-1/4) / max_k n_k^(-1/4)
        L = -log softmax(s * (z - Delta_y * onehot_y))_y

    The logits are meant to be cosines (``CosineHead`` with scale 1): s is the scale. The paper trains it with
    effective-number class weights from epoch 160 of 200 on (``DeferredReweighting``), together LDAM-DRW.

    Args:
        class_counts: (C,) training counts n_j, all positive.
        max_margin: margin of the rarest class, in units of the cosine.
        scale: s, positive.
        **options: see ``LossOptions``.

    Raises:
        ValueError: a class has count 0, ``max_margin`` is negative, ``scale`` is not positive, or one is not
            finite.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019.
    """

    for_cosines = True
    delta: Tensor

    def __init__(
        self,
        class_counts: CountsLike,
        max_margin: float = 0.5,
        scale: float = 30.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        require_every_class(self.class_counts, "its margin is infinite")
        self.max_margin = in_range("max_margin", max_margin, at_least=0)
        self.scale = in_range("scale", scale, above=0)
        self.derive()

    def derive(self) -> None:
        """Delta."""
        assert self.class_counts is not None
        inverse = double_precision(self.class_counts) ** -0.25
        self.delta = self.max_margin * inverse / inverse.max()

    def inference_logits(self, logits: Tensor) -> Tensor:
        """The scaled cosines, s * z: of the cosines themselves no softmax is ever confident."""
        return self.scale * logits

    def adjusted(self, logits: Tensor) -> Tensor:
        """The scaled cosines, s * z."""
        return self.scale * logits

    def margins(self, logits: Tensor) -> Tensor:
        """The scaled margins, s * Delta."""
        return self.scale * self.delta.to(logits)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.label_smoothing > 0:
            return None
        margin = self.scale * self.delta
        return RowFormula(Term.CROSS_ENTROPY, scale=self.scale, margin=margin)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y."""
        return -log_p
