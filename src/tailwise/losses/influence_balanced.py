"""Influence-balanced loss: samples that pull hard on the decision boundary count less."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range, whole_number
from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss, SharedOptions, one_minus_exp
from tailwise.losses._checks import require_tensor
from tailwise.losses._fused import PLAIN, Met, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "influence_balanced",
    "ib",
    paper="Park et al., Influence-Balanced Loss for Imbalanced Visual Classification, ICCV 2021",
    adjust_at_test="logit adjustment",
)
class InfluenceBalancedLoss(ClassificationLoss):
    """Influence-balanced loss (IB).

        L = alpha / (I + epsilon) * F,   I = |p - onehot_y|_1 * |h|_1 = 2 * (1 - p_y) * |h|_1,   p = softmax(z)
        F = -log p_y, or -(1 - p_y)^gamma * log p_y

    I is the influence of a sample on the weights of the last layer, h its features. The gradient goes through I, as in
    the released code, but not on through h, as it does there: the loss would fall with longer features. The paper
    trains with cross entropy first and with this from half of the epochs on (``start``), with class weights n_c^-1
    normalised to sum C.

    Args:
        alpha: factor, positive; chosen such that the loss is about as large as cross entropy.
        epsilon: added to I, positive.
        gamma: exponent of the focal factor; default none.
        start: epochs of cross entropy before, told by ``set_epoch``; default 0.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: a number is out of its range.

    Source: Park, Lim, Jeon, Choi, "Influence-Balanced Loss for Imbalanced Visual Classification", ICCV 2021.
    """

    option_names = SHARED_OPTION_NAMES
    needs_features = True
    length: Tensor | None = None
    """|h|_1 of the batch at hand, (B,); set past ``__setattr__``, which would forget what is prepared."""

    def __init__(
        self,
        alpha: float = 1000.0,
        epsilon: float = 1e-3,
        gamma: float | None = None,
        start: int = 0,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha = in_range("alpha", alpha, above=0)
        self.epsilon = in_range("epsilon", epsilon, above=0)
        self.gamma = None if gamma is None else in_range("gamma", gamma, at_least=0)
        self.start = whole_number("start", start, at_least=0)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch, from 0, that the next batches belong to."""
        self.epoch = whole_number("epoch", epoch, at_least=0)

    def forward(self, logits: Tensor, target: Tensor, features: Tensor | None = None) -> Tensor:
        """See ``ClassificationLoss``.

        Args:
            logits: (B, C).
            target: (B,) or (B, C).
            features: (B, F) that the last layer made the logits from; without them |h|_1 is 1, and I the influence on
                the logits alone.

        Raises:
            ValueError: the features are not (B, F).
        """
        if features is not None:
            require_tensor("features", features)
            if features.ndim != 2 or len(features) != len(logits):
                raise ValueError(f"features must be ({len(logits)}, F), got shape {tuple(features.shape)}")
            self.__dict__["length"] = features.detach().abs().sum(dim=1)
        try:
            return super().forward(logits, target)
        finally:
            self.__dict__["length"] = None

    def meet(self, target: Tensor, num_classes: int) -> Met:
        """|h|_1."""
        return PLAIN if self.length is None else Met(lengths=self.length.float())

    def recomputed(self, logits: Tensor, target: Tensor, met: Met) -> Tensor:
        """The loss with the lengths that the batch brought."""
        self.__dict__["length"] = met.lengths
        try:
            return self.by_operations(logits, target)
        finally:
            self.__dict__["length"] = None

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        if self.epoch < self.start:
            return RowFormula(Term.CROSS_ENTROPY)
        return RowFormula(Term.INFLUENCE, a=self.alpha, b=self.epsilon, c=self.gamma or 0.0, d=1.0)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """Of the samples, log_p (B,), or of every class as their label, (B, C)."""
        if self.epoch < self.start:
            return -log_p
        rest = one_minus_exp(log_p)
        loss = -log_p if self.gamma is None else -(rest**self.gamma) * log_p
        influence = 2 * rest
        if self.length is not None:
            length = self.length.to(log_p)
            influence = influence * (length if log_p.ndim == 1 else length.unsqueeze(1))
        return self.alpha / (influence + self.epsilon) * loss
