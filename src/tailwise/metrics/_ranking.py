"""What the metrics of rankings share: the log-odds of a class, how its scores are counted, and the two areas."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tailwise.hyperparameters import whole_number
from tailwise.log_odds import log_odds
from tailwise.losses._base import double_precision
from tailwise.metrics._base import ScoreMetric

LARGEST_LOG_ODDS = 1e4
"""What lies beyond is counted in the first or last bin."""


class RankingMetric(ScoreMetric):
    """A metric of how well the score of a class ranks its own samples above all others.

        x_c = z_c - logsumexp_{j != c} z_j = log(p_c / (1 - p_c))

    The state is two histograms per class of its log-odds x_c, one over the samples of the class and one over all
    others. Their bins have equal widths in asinh(x), from -asinh(10^4) to asinh(10^4): fine around 0, and everywhere of
    the same width relative to x, so that logits of any scale are told apart where a softmax rounds to 0 or 1.

    The result is exact for log-odds that are rounded to their bins: samples in the same bin are ties. For the area
    under the ROC curve, in which a tied pair counts one half, the error is therefore at most half the share of the
    pairs of an own and another sample that meet in a bin. The state is 2 * C * K numbers of 8 bytes: 3 MB for 100
    classes and 2048 bins.

    Args:
        num_classes: C.
        bins: K, bins of the histograms.
        per_class: see ``ScoreMetric``.
        from_logits: see ``ScoreMetric``; probabilities of 0 and 1 fall into the first and last bin.
        **options: see ``ClassificationMetric``.
    """

    own: Tensor
    others: Tensor

    def __init__(
        self, num_classes: int, bins: int = 2048, per_class: bool = False, from_logits: bool = True, **options: Any
    ) -> None:
        super().__init__(num_classes, per_class, from_logits, **options)
        self.bins = whole_number("bins", bins, at_least=2)
        self.add_counts("own", self.num_classes, self.bins)
        self.add_counts("others", self.num_classes, self.bins)

    def count(self, scores: Tensor, labels: Tensor) -> None:
        """See ``ScoreMetric``."""
        exact = double_precision(scores)
        odds = log_odds(exact) if self.from_logits else exact.clamp_max(1).logit()
        share = (odds.asinh() / math.asinh(LARGEST_LOG_ODDS) + 1) / 2
        within = (share * self.bins).clamp(0, self.bins - 1).long()
        cells = within + self.bins * torch.arange(self.num_classes, device=within.device)
        own = cells.gather(1, labels.unsqueeze(1)).squeeze(1)
        one = torch.ones((), dtype=torch.int64, device=cells.device)
        self.others.view(-1).index_add_(0, cells.view(-1), one.expand(cells.numel()))
        self.others.view(-1).index_add_(0, own, -one.expand(len(own)))
        self.own.view(-1).index_add_(0, own, one.expand(len(own)))


def area_under_roc(own: Tensor, others: Tensor) -> Tensor:
    """Share of the pairs of an own and another sample in which the own one has the higher score; ties count one half.

    Args:
        own: (..., K) how many samples of a class have the score k, ascending.
        others: (..., K) how many others.

    Returns:
        (...) NaN where there are no own samples or no others.
    """
    below = others.cumsum(dim=-1) - others
    return (own * (2 * below + others)).sum(dim=-1) / (2 * own.sum(dim=-1) * others.sum(dim=-1))


def average_precision(own: Tensor, others: Tensor) -> Tensor:
    """Mean over the own samples of the share of own ones among all that have at least that score.

    Args:
        own: (..., K) how many samples of a class have the score k, ascending.
        others: (..., K) how many others.

    Returns:
        (...) NaN where there are no own samples or no others.
    """
    found = own.flip(-1).cumsum(dim=-1).flip(-1)
    called = (own + others).flip(-1).cumsum(dim=-1).flip(-1)
    average = (own * (found / called.clamp_min(1))).sum(dim=-1) / own.sum(dim=-1)
    return average.masked_fill(others.sum(dim=-1) == 0, torch.nan)
