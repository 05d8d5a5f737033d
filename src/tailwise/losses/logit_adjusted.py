"""Logit-adjusted loss: the class prior is added to the logits while training."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._base import ClassificationLoss, LossOptions, double_precision, require_every_class
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "logit_adjusted",
    "la",
    paper="Menon et al., Long-tail learning via logit adjustment, ICLR 2021",
)
class LogitAdjustedLoss(ClassificationLoss):
    """Logit-adjusted softmax cross entropy.

        L = -log softmax(z + tau * log pi)_y,   pi_c = n_c / N

    Predict with the plain logits z. With tau = 1 this is balanced softmax.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        tau: strength; 0 is cross entropy.
        **options: see ``LossOptions``.

    Raises:
        ValueError: a class has count 0, whose log prior would be infinite, or tau is not finite.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.
    """

    log_prior: Tensor

    def __init__(self, class_counts: CountsLike, tau: float = 1.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(class_counts, **options)
        require_every_class(self.class_counts, "its log prior is infinite")
        self.tau = in_range("tau", tau)
        self.derive()

    def derive(self) -> None:
        """log pi_c."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        self.log_prior = (counts / counts.sum()).log()

    def adjusted(self, logits: Tensor) -> Tensor:
        """Z + tau * log pi."""
        return logits + self.tau * self.log_prior.to(logits)

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        offset = self.tau * self.log_prior
        return RowFormula(Term.CROSS_ENTROPY, offset=offset, other=Other.LINEAR, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y of the adjusted logits."""
        return -log_p
