"""Logit-adjusted loss: the class prior is added to the logits while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import flag, in_range
from tailwise.losses._base import ClassificationLoss, LossOptions, double_precision, exact_precision
from tailwise.losses._checks import require_every_class
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

    A learnable tau is a parameter, to be handed to the optimiser with the network's. It takes what fits the training
    data best, for which the prior as it is, tau = 1, is right where the logits are free; it moves away where they are
    not, as with cosine heads.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        tau: strength; 0 is cross entropy.
        learnable: whether tau is a parameter, which starts at the value given.
        **options: see ``LossOptions``.

    Raises:
        ValueError: a class has count 0, whose log prior would be infinite, or tau is not finite.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10.
    """

    log_prior: Tensor

    def __init__(
        self, class_counts: CountsLike, tau: float = 1.0, learnable: bool = False, **options: Unpack[LossOptions]
    ) -> None:
        super().__init__(class_counts, **options)
        require_every_class(self.class_counts, "its log prior is infinite")
        tau = in_range("tau", tau)
        self.learnable = flag("learnable", learnable)
        self.tau: float | nn.Parameter = nn.Parameter(torch.tensor(tau, dtype=exact_precision())) if learnable else tau
        self.derive()

    def derive(self) -> None:
        """log pi_c."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        self.log_prior = (counts / counts.sum()).log()

    def adjusted(self, logits: Tensor) -> Tensor:
        """Z + tau * log pi."""
        return logits + self.tau * self.log_prior.to(logits)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``; a tau that learns needs a gradient of its own."""
        if isinstance(self.tau, nn.Parameter):
            return None
        offset = self.tau * self.log_prior
        return RowFormula(Term.CROSS_ENTROPY, offset=offset, other=Other.LINEAR, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y of the adjusted logits."""
        return -log_p
