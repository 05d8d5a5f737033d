"""Seesaw loss: rare classes are punished less by frequent ones, unless they are mistaken for them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.distributed import is_distributed, summed_over_ranks
from tailwise.hyperparameters import in_range, whole_number
from tailwise.losses._base import SharedOptions, double_precision, exact_precision
from tailwise.losses._checks import one_hot, require_labels
from tailwise.losses._fused import Met, Negatives, RowFormula, Term
from tailwise.losses._registry import register_loss
from tailwise.losses._weighted_negatives import WeightedNegativesLoss


@register_loss(
    "seesaw",
    paper="Wang et al., Seesaw Loss for Long-Tailed Instance Segmentation, CVPR 2021",
)
class SeesawLoss(WeightedNegativesLoss):
    """Seesaw loss.

        L = -log( exp(z_y) / (exp(z_y) + sum_{j != y} M_yj * C_yj * exp(z_j)) )
        M_yj = min(1, N_j / N_y)^p                        mitigation: rare classes receive less punishment
        C_yj = max(1, s_j / max(s_y, eps))^q, s = softmax(z)   compensation: unless they are predicted

    N counts the samples of each class that the loss has seen in training mode, this batch included, at least 1 each
    (over all processes); with ``class_counts`` it is those. Neither factor has a gradient.

    Args:
        num_classes: C, where the loss is to count by itself.
        class_counts: (C,) training counts, in place of counting.
        p: exponent of the mitigation, at least 0.
        q: exponent of the compensation, at least 0.
        eps: least s_y that the compensation divides by.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: neither ``num_classes`` nor ``class_counts`` is given, or both, or a number is out of its range.

    Source: Wang et al., "Seesaw Loss for Long-Tailed Instance Segmentation", CVPR 2021, equations 4 to 6.
    """

    gathered = ("seen",)
    seen: Tensor | None
    log_counts: Tensor

    def __init__(
        self,
        num_classes: int | None = None,
        class_counts: CountsLike | None = None,
        p: float = 0.8,
        q: float = 2.0,
        eps: float = 1e-2,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        if (num_classes is None) == (self.class_counts is None):
            raise ValueError(
                "SeesawLoss counts by itself with num_classes, or is given class_counts: give one of the two"
            )
        self.num_classes = None if num_classes is None else whole_number("num_classes", num_classes, at_least=1)
        self.p = in_range("p", p, at_least=0)
        self.q = in_range("q", q, at_least=0)
        self.eps = in_range("eps", eps, above=0)
        # Floating, for soft targets are counted as well.
        self.derive()
        self.register_buffer("seen", None if num_classes is None else torch.zeros(num_classes, dtype=exact_precision()))

    def derive(self) -> None:
        """log N of counts that are given."""
        if self.class_counts is not None:
            self.log_counts = double_precision(self.class_counts).clamp_min(1).log()

    def see(self, target: Tensor, num_classes: int) -> None:
        """Count a batch in training mode."""
        if self.seen is None or not self.training:
            return
        if not target.is_floating_point():
            target = one_hot(target, num_classes, target != self.ignore_index)
        (found,) = summed_over_ranks(target.detach().sum(dim=0).to(self.seen))
        self.seen.add_(found)

    def meet(self, target: Tensor, num_classes: int) -> Met:
        """The counts, and whether the compiled loop is to add this batch to them first."""
        seen = self.seen
        if seen is None:
            return Met(log_counts=self.log_counts.float())
        counts = self.training
        if counts and is_distributed():
            require_labels(target.masked_fill(target == self.ignore_index, 0), num_classes)
            self.see(target, num_classes)
            counts = False
        return Met(log_counts=torch.empty(num_classes), counts=counts)

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.seen is not None and self.seen.dtype is not torch.float64:
            return None
        negatives = Negatives(mitigation=self.p, compensation=self.q, log_eps=math.log(self.eps), seen=self.seen)
        return RowFormula(Term.CROSS_ENTROPY, negatives=negatives)

    def log_weights(self, logits: Tensor, label: Tensor, met: Met) -> Tensor:
        """Log M + log C."""
        if met.log_counts is not None:
            log_counts = met.log_counts.to(logits)
        elif self.seen is not None:
            log_counts = self.seen.clamp_min(1).log().to(logits)
        else:
            log_counts = self.log_counts.to(logits)
        mitigation = self.p * (log_counts - log_counts[label].unsqueeze(1)).clamp_max(0)
        log_score = F.log_softmax(logits, dim=1)
        own = log_score.gather(1, label.unsqueeze(1)).clamp_min(math.log(self.eps))
        return mitigation + self.q * (log_score - own).clamp_min(0)
