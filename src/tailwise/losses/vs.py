"""Vector-scaling loss: logits are both scaled and shifted by how frequent their class is."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._base import ClassificationLoss, LossOptions, double_precision
from tailwise.losses._checks import require_every_class
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss


@register_loss(
    "vs",
    "vector_scaling",
    paper="Kini et al., Label-Imbalanced and Group-Sensitive Classification under Overparameterization, NeurIPS 2021",
)
class VSLoss(ClassificationLoss):
    """Vector-scaling loss.

        L = -log softmax(z / Delta + tau * log pi)_y,   Delta_c = (n_max / n_c)^gamma,   pi_c = n_c / N

    Predict with the plain logits z. gamma = 0 is the logit-adjusted loss. Late in training, when every training sample
    is classified rightly, an additive adjustment no longer moves the decision boundary and the factor does.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        gamma: exponent of the multiplicative adjustment, at least 0.
        tau: strength of the additive adjustment.
        **options: see ``LossOptions``.

    Raises:
        ValueError: a class has count 0, ``gamma`` is negative, or a number is not finite.

    Source: Kini, Paraskevas, Oymak, Thrampoulidis, "Label-Imbalanced and Group-Sensitive Classification under
    Overparameterization", NeurIPS 2021, equation 2.
    """

    is_softmax = False
    inverse_delta: Tensor
    log_prior: Tensor

    def __init__(
        self,
        class_counts: CountsLike,
        gamma: float = 0.3,
        tau: float = 1.0,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        require_every_class(self.class_counts, "its factor is infinite")
        self.gamma = in_range("gamma", gamma, at_least=0)
        self.tau = in_range("tau", tau)
        self.derive()

    def derive(self) -> None:
        """1 / Delta and log pi."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        self.inverse_delta = (counts / counts.max()) ** self.gamma
        self.log_prior = (counts / counts.sum()).log()

    def adjusted(self, logits: Tensor) -> Tensor:
        """Z / Delta + tau * log pi."""
        return logits * self.inverse_delta.to(logits) + self.tau * self.log_prior.to(logits)

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        return RowFormula(
            Term.CROSS_ENTROPY,
            scales=self.inverse_delta,
            offset=self.tau * self.log_prior,
            other=Other.LINEAR,
            eps=self.label_smoothing,
        )

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y of the adjusted logits."""
        return -log_p
