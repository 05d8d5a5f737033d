"""GALA, first named BaGMar: class margins from the gradients that the classes have received and sent."""

from __future__ import annotations

from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.distributed import summed_over_ranks
from tailwise.hyperparameters import in_range, one_of, whole_number
from tailwise.losses._base import LossOptions, Variant, countable, exact_precision
from tailwise.losses._checks import number_of_classes
from tailwise.losses._fused import Met, RowFormula, State, Term
from tailwise.losses._margin import MarginLoss, lowered
from tailwise.losses._registry import register_loss


@register_loss(
    "gala",
    "bagmar",
    paper="Zhang et al., Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier, ICASSP 2024",
    adjust_at_test="re-balancing",
)
class GALALoss(MarginLoss):
    """Gradient-aware logit adjustment (GALA, BaGMar).

        theta_j: absolute logit gradient that class j has received from its own samples, summed over training
        phi_k:   absolute logit gradient that samples of class k have sent to the other classes, likewise
        F_j = z_j + lambda_pos * log theta_j - lambda_neg * log phi_k   for j != k,   F_k = z_k
        L = -log softmax(F)_k   for a sample of class k

    eps is added inside the logarithms. Predict with z alone, or with z after ``PredictionRebalancing`` (PN).

    In softmax cross entropy a sample's own class receives 1 - p_k, and the others together as much, so theta = phi;
    with lambda_pos = lambda_neg = 1 the loss is logit adjustment with theta in place of the prior. The state is the
    two vectors, updated in training mode only: a batch is met with the state before it, then adds the gradients of its
    mean loss, over several processes those of the global batch.

    Args:
        num_classes: C; not needed where ``class_counts`` is given.
        class_counts: (C,) training counts, of which only the number of classes is used.
        lambda_pos: lambda1; (1.2, 0.9) for CIFAR-100-LT with re-balancing.
        lambda_neg: lambda2.
        eps: added inside the logarithms.
        variant: "published" is the formula above. "released" does as the authors' code: lambda_pos * log theta_j is
            added for j = k too, and theta and phi are running sums of running sums.
        **options: see ``LossOptions``.

    Raises:
        ValueError: neither ``num_classes`` nor ``class_counts`` is given, they disagree, a strength is not
            finite, eps is not positive, or the variant is unknown.

    Source: Zhang et al., "Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier", ICASSP 2024,
    arXiv 2403.09036.
    """

    gathered = ("positive_gradient", "negative_gradient", "latest_sums")
    positive_gradient: Tensor
    negative_gradient: Tensor
    latest_sums: Tensor | None

    def __init__(
        self,
        num_classes: int | None = None,
        class_counts: CountsLike | None = None,
        lambda_pos: float = 1.0,
        lambda_neg: float = 1.0,
        eps: float = 1e-3,
        variant: Variant = "published",
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        one_of("variant", variant, get_args(Variant))
        self.num_classes = None if num_classes is None else whole_number("num_classes", num_classes, at_least=1)
        state = torch.zeros(number_of_classes(self, self.num_classes), dtype=exact_precision())
        self.register_buffer("positive_gradient", state)
        self.register_buffer("negative_gradient", state.clone())
        self.register_buffer("latest_sums", state.clone() if variant == "released" else None)
        self.lambda_pos = in_range("lambda_pos", lambda_pos)
        self.lambda_neg = in_range("lambda_neg", lambda_neg)
        self.eps = in_range("eps", eps, above=0)
        self.variant = variant

    def adjusted(self, logits: Tensor) -> Tensor:
        """Z + lambda_pos * log theta; the constant -lambda_neg * log phi_k moves to the margin."""
        return logits + self.lambda_pos * (self.positive_gradient + self.eps).log().to(logits)

    def margins(self, logits: Tensor) -> Tensor:
        """What takes the class's own logit back to z_k, relative to the constant of its samples."""
        if self.variant == "released":
            return logits.new_zeros(logits.shape[1])
        own = self.lambda_pos * (self.positive_gradient + self.eps).log()
        return (own - self.lambda_neg * (self.negative_gradient + self.eps).log()).to(logits)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_k of F."""
        return -log_p

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.label_smoothing > 0 or self.positive_gradient.dtype is not torch.float64:
            return None
        sums = (self.positive_gradient, self.negative_gradient, self.latest_sums)
        return RowFormula(Term.CROSS_ENTROPY, state=State(*sums, self.eps, self.lambda_pos, self.lambda_neg))

    def recomputed(self, logits: Tensor, target: Tensor, met: Met) -> Tensor:
        """The loss with the constants of the state as it was when the batch was met."""
        assert met.margins is not None
        offset, margin = met.margins
        adjusted = logits + offset
        if self.variant == "published":
            adjusted = lowered(adjusted, target.masked_fill(target == self.ignore_index, 0), margin)
        weight = None if self.weight is None else self.weight.to(adjusted)
        return F.cross_entropy(adjusted, target, weight, ignore_index=self.ignore_index, reduction=self.reduction)

    def gather(self, received: Tensor) -> None:
        """See ``ClassificationLoss``: add the gradients of the mean loss of all processes' batches to the state."""
        self._add(received[:-1], received[-1])

    def observe(self, log_p: Tensor, label: Tensor, share: Tensor, divisor: Tensor) -> None:
        """Add the gradients of this batch's mean loss to the state."""
        if not self.training:
            return
        received = (share * -torch.expm1(log_p)).detach().to(self.positive_gradient)
        if received.ndim == 2:
            sums = received.sum(dim=0)
        else:
            sums = torch.zeros_like(self.positive_gradient).index_add(0, label, received)
        self._add(sums, divisor.detach().to(sums))

    def _add(self, sums: Tensor, divisor: Tensor) -> None:
        """Add sums over a batch, divided by what its mean divides by, over all processes."""
        sums, divisor = summed_over_ranks(sums, divisor)
        sums = sums / countable(divisor)
        if self.latest_sums is not None:
            self.latest_sums += sums
            sums = self.latest_sums
        # What a sample's own class receives, the others together receive with the other sign.
        self.positive_gradient += sums
        self.negative_gradient += sums


BaGMarLoss = GALALoss
"""The name under which the loss was first released."""
