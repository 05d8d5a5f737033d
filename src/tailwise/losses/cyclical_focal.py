"""Cyclical focal loss: confident samples first, hard ones in the middle of training, confident ones at its end."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.hyperparameters import in_range, whole_number
from tailwise.losses._base import SharedOptions, double_precision
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss
from tailwise.losses.asymmetric import AsymmetricLoss


@register_loss(
    "cyclical_focal",
    "cfl",
    paper="Smith, Cyclical Focal Loss, 2022",
    adjust_at_test="logit adjustment",
)
class CyclicalFocalLoss(AsymmetricLoss):
    """Cyclical focal loss (CFL): between a factor for confident samples and that of the asymmetric loss.

        L = - sum_j q_j * ((1 - eta) * a_j + eta * h_j) * log p_j,   p = softmax(z)
        a_y = (1 - p_y)^gamma_pos,   a_j = p_j^gamma_neg        (j != y)
        h_y = (1 + p_y)^gamma_hc,    h_j = 1
        q_y = 1 - eps + eps / C,     q_j = eps / C
        eta = 1 - f*e / (E - 1)                    while f*e < E
            = (f*e / (E - 1) - 1) / (f - 1)        afterwards, e the epoch, E the number of epochs, f the factor

    eta falls from 1 to 0 in the first 1/f of the epochs and rises to 1 again in the rest. Tell the loss the epoch with
    ``set_epoch``, as a distributed sampler is told; the trainer does.

    Args:
        epochs: E, at least 1.
        gamma_pos: focusing exponent of the target class, at least 0.
        gamma_neg: focusing exponent of the other classes, at least 0.
        gamma_hc: exponent for confident samples, at least 0.
        factor: f, above 1; 2 puts the turn in the middle.
        label_smoothing: eps.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: an argument is out of its range.

    Source: Smith, "Cyclical Focal Loss", arXiv 2202.08978, its published code.
    """

    eta: Tensor

    def __init__(
        self,
        epochs: int,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        gamma_hc: float = 2.0,
        factor: float = 2.0,
        label_smoothing: float = 0.1,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(gamma_pos, gamma_neg, label_smoothing, **options)
        self.epochs = whole_number("epochs", epochs, at_least=1)
        self.gamma_hc = in_range("gamma_hc", gamma_hc, at_least=0)
        self.factor = in_range("factor", factor, above=1)
        self.epoch = 0
        self.register_buffer("eta", torch.ones((), dtype=torch.float64), persistent=False)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins, counted from 0.

        Raises:
            ValueError: the epoch is not from 0 to E - 1.
        """
        if not 0 <= epoch < self.epochs:
            raise ValueError(f"epoch must be from 0 to {self.epochs - 1}, got {epoch}")
        self.epoch = epoch
        self.derive()

    def derive(self) -> None:
        """eta."""
        turned = self.factor * self.epoch / max(self.epochs - 1, 1)
        eta = 1 - turned if self.factor * self.epoch < self.epochs else (turned - 1) / (self.factor - 1)
        # A tensor rather than a number: a compiled loss then need not be compiled anew for each epoch.
        self.eta = torch.full_like(double_precision(self.eta), min(max(eta, 0.0), 1.0))

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        eta = float(self.eta)
        own = RowFormula(Term.CYCLICAL, a=self.gamma_pos, b=self.gamma_hc, c=eta)
        return own._replace(other=Other.FOCUSED, gamma=self.gamma_neg, eta=eta, eps=self.label_smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-((1 - eta) * (1 - p_y)^gamma_pos + eta * (1 + p_y)^gamma_hc) * log p_y."""
        eta = self.eta.to(log_p)
        confident = -((1 + log_p.exp()) ** self.gamma_hc) * log_p
        return (1 - eta) * super().target_term(log_p, label) + eta * confident

    def other_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-((1 - eta) * p_j^gamma_neg + eta) * log p_j."""
        eta = self.eta.to(log_p)
        return (1 - eta) * super().other_term(log_p, label) - eta * log_p
