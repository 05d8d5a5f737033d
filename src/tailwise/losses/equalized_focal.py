"""Equalized focal loss: every class is focused as much as its positives are outweighed by its negatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.distributed import summed_over_ranks
from tailwise.hyperparameters import in_range, whole_number
from tailwise.losses._base import SharedOptions, exact_precision
from tailwise.losses._checks import number_of_classes
from tailwise.losses._fused import Met
from tailwise.losses._fused_decisions import DecisionFormula, Kind, Received
from tailwise.losses._one_vs_rest import OneVsRestLoss
from tailwise.losses._registry import register_loss


@register_loss(
    "equalized_focal",
    "efl",
    paper="Li et al., Equalized Focal Loss for Dense Long-Tailed Object Detection, CVPR 2022",
    adjust_at_test="logit adjustment",
)
class EqualizedFocalLoss(OneVsRestLoss):
    """Equalized focal loss (EFL), for single labels and for any number of them.

        gamma_c = gamma + scale * (1 - g_c),   p = sigmoid(z)
        positive = -alpha * gamma_c / gamma * (1 - p)^gamma_c * log p
        negative = -(1 - alpha) * gamma_c / gamma * p^gamma_c * log(1 - p)
        g_c = min(gradient that class c has received as a positive / as a negative, 1), 1 before the first batch
        L = sum over the classes; see ``OneVsRestLoss``

    A gradient is |p - q| of the plain binary cross entropy, summed over the batches of training mode (over all
    processes); a batch is met with the state before it.

    Args:
        num_classes: C; not needed where ``class_counts`` is given.
        class_counts: (C,) training counts, of which only the number of classes is used.
        gamma: focusing exponent of a class in balance, positive.
        scale: by how much the exponent of a class without positives is larger, at least 0.
        alpha: weight of the positives, in (0, 1).
        **options: see ``SharedOptions``.

    Raises:
        ValueError: neither ``num_classes`` nor ``class_counts`` is given, they disagree, or a number is out of its
            range.

    Source: Li et al., "Equalized Focal Loss for Dense Long-Tailed Object Detection", CVPR 2022, equations 5 to 7.
    """

    gathered = ("positive_gradient", "negative_gradient")
    positive_gradient: Tensor
    negative_gradient: Tensor

    def __init__(
        self,
        num_classes: int | None = None,
        class_counts: CountsLike | None = None,
        gamma: float = 2.0,
        scale: float = 8.0,
        alpha: float = 0.25,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        self.num_classes = None if num_classes is None else whole_number("num_classes", num_classes, at_least=1)
        size = number_of_classes(self, self.num_classes)
        self.gamma = in_range("gamma", gamma, above=0)
        self.scale = in_range("scale", scale, at_least=0)
        self.alpha = in_range("alpha", alpha, above=0, below=1)
        self.register_buffer("positive_gradient", torch.zeros(size, dtype=exact_precision()))
        self.register_buffer("negative_gradient", torch.zeros(size, dtype=exact_precision()))

    def decision_formula(self) -> DecisionFormula | None:
        """See ``OneVsRestLoss``."""
        if self.positive_gradient.dtype is not torch.float64:
            return None
        received = Received(self.positive_gradient, self.negative_gradient, self.gamma, self.scale)
        positive, negative = self.alpha / self.gamma, (1 - self.alpha) / self.gamma
        return DecisionFormula(Kind.EQUALIZED, positive, negative, received=received)

    def terms(self, logits: Tensor, met: Met) -> tuple[Tensor, Tensor]:
        """See ``OneVsRestLoss``."""
        exponent = (self.exponents() if met.exponents is None else met.exponents).to(logits)
        factor = exponent / self.gamma
        tiny = torch.finfo(logits.dtype).eps
        p, rest = torch.sigmoid(logits).clamp_min(tiny), torch.sigmoid(-logits).clamp_min(tiny)
        positive = -self.alpha * factor * rest**exponent * F.logsigmoid(logits)
        return positive, -(1 - self.alpha) * factor * p**exponent * F.logsigmoid(-logits)

    def exponents(self) -> Tensor:
        """(C,) gamma_c of the state."""
        met = self.negative_gradient > 0
        ratio = self.positive_gradient / torch.where(met, self.negative_gradient, 1)
        return self.gamma + self.scale * (1 - torch.where(met, ratio.clamp_max(1), 1.0))

    def see(self, logits: Tensor, target: Tensor, counted: Tensor) -> None:
        """Add the gradients of a batch in training mode."""
        if not self.training:
            return
        p = torch.sigmoid(logits.detach())
        positive = (counted * target * (1 - p)).sum(dim=0).to(self.positive_gradient)
        negative = (counted * (1 - target) * p).sum(dim=0).to(self.negative_gradient)
        self._add(positive, negative)

    def gather(self, received: Tensor) -> None:
        """See ``ClassificationLoss``; (2, C) from the compiled loop, positives and negatives."""
        self._add(*received)

    def _add(self, *received: Tensor) -> None:
        """Add what the classes received as positives and as negatives, over all processes."""
        positive, negative = summed_over_ranks(*received)
        self.positive_gradient.add_(positive)
        self.negative_gradient.add_(negative)
