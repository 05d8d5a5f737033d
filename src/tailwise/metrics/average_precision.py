"""Macro AP: how pure the top of each class's ranking is, every class counting the same."""

from __future__ import annotations

from torch import Tensor

from tailwise.metrics._ranking import RankingMetric, average_precision


class MacroAveragePrecision(RankingMetric):
    """Mean over the classes of the average precision of each class against the rest.

        AP_c = (1 / n_c) * sum over the samples i of c of  own_i / all_i

    all_i samples have at least the log-odds x_c of sample i, own_i of them are of class c; nothing is interpolated. The
    log-odds and their bins are those of ``RankingMetric``; others that share a bin with a sample count as ranked above
    it, so the result is mostly a little low. A class without a sample, or with all of them, is left out of the mean.

    For two classes this is the mean of both; the usual average precision, that of class 1, is the last of the values
    with ``per_class=True``.

    Args:
        num_classes: C.
        bins: of the histograms of log-odds.
        per_class: the average precisions (C,) in place of their mean, NaN where there is none.
        from_logits: whether ``preds`` are logits; False where they are probabilities.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes or bins.

    Source: as in scikit-learn's ``average_precision_score``; Boyd et al., "Area under the Precision-Recall Curve: Point
    Estimates and Confidence Intervals", ECML PKDD 2013, on the ways to estimate it.
    """

    def class_values(self) -> Tensor:
        """See ``ScoreMetric``."""
        return average_precision(self.own, self.others)
