"""Logit adjustment: the training prior taken out of the logits."""

from __future__ import annotations

from torch import Tensor

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range
from tailwise.posthoc._base import PosthocCorrection, log_prior, match_classes
from tailwise.posthoc._registry import register_posthoc


@register_posthoc("logit-adjustment")
class LogitAdjustment(PosthocCorrection):
    """Take the training prior out of the logits of a classifier that was trained without correction.

        z - tau * log pi,   pi_c = n_c / N

    Needs the training counts alone. With tau = 1 it is Bayes-optimal for balanced accuracy, where softmax(z) is the
    training posterior. Not for logits of balanced softmax, logit-adjusted, GALA or LADE losses: they have it already.

    Args:
        class_counts: (C,) training counts, all positive.
        tau: strength; 0 changes nothing.

    Raises:
        ValueError: a class has count 0, or tau is not finite.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 9.
    """

    needs = "the training counts"

    def __init__(self, class_counts: CountsLike, tau: float = 1.0) -> None:
        self.log_prior = log_prior(class_counts)
        self.tau = in_range("tau", tau)

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        match_classes(logits, len(self.log_prior), "class_counts")
        return logits - self.tau * self.log_prior.to(logits)
