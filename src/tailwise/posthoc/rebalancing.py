"""Prediction re-balancing: a correction that looks at the whole test set."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tailwise.hyperparameters import in_range
from tailwise.posthoc._base import Logits, PosthocCorrection
from tailwise.posthoc._registry import register_posthoc


@register_posthoc("rebalance")
class PredictionRebalancing(PosthocCorrection):
    """Prediction re-balancing (PN): no class may take more than its share of a test set's probability.

        P = softmax(z),   P'_ij = P_ij / (sum_i w_i P_ij)^tau,   prediction argmax_j P'_ij

    w is 1 unless ``transform`` is given weights, with which an imbalanced set of known labels stands for a balanced
    one.

    Transductive: it looks at the whole evaluation set at once, so a sample's prediction depends on the others', and it
    assumes that the classes of that set are about equally frequent. Do not use it on single samples, nor where the
    test set is as imbalanced as the training set. Needs no labels and no counts.

    Args:
        tau: strength; 0 changes nothing, the paper's is 1.

    Raises:
        ValueError: tau is not finite.

    Source: Zhang et al., "BaGMar" (2022) and "Gradient-Aware Logit Adjustment Loss for Long-Tailed Classifier" (GALA),
    ICASSP 2024, arXiv 2403.09036.
    """

    needs = "the whole test set"

    def __init__(self, tau: float = 1.0) -> None:
        self.tau = in_range("tau", tau)

    def scores(self, logits: Logits) -> Logits:
        """P' itself, not renormalised; for tau > 1 infinite where a class has next to no probability in the set."""
        transformed = self.transform(logits)
        return transformed.exp() if isinstance(transformed, Tensor) else np.asarray(np.exp(transformed))

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        """log P': the sum over samples is taken in the log domain, where no class is too small for it."""
        # The difference of two logits may exceed their type's range; a log probability so low is 0 either way.
        margin = (logits - logits.amax(dim=1, keepdim=True)).clamp_min(torch.finfo(logits.dtype).min / 4)
        log_probability = margin.log_softmax(dim=1)
        log_sum = (log_probability + sample_weight.log().unsqueeze(1)).logsumexp(dim=0)
        return log_probability - self.tau * log_sum
