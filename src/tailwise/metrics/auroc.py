"""Macro AUC: how well each class is ranked against the rest, every class counting the same."""

from __future__ import annotations

from torch import Tensor

from tailwise.metrics._ranking import RankingMetric, area_under_roc


class MacroAUROC(RankingMetric):
    """Mean over the classes of the area under the ROC curve of each class against the rest.

        AUC_c = P(x_c of a sample of c > x_c of another sample) + P(both are the same) / 2

    The log-odds x_c = log(p_c / (1 - p_c)) and the error of their bins are those of ``RankingMetric``. A class without
    a sample, or with all of them, has no area and is left out of the mean. For two classes both areas are the same.

    Args:
        num_classes: C.
        bins: of the histograms of log-odds.
        per_class: the areas (C,) in place of their mean, NaN where there is none.
        from_logits: whether ``preds`` are logits; False where they are probabilities.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes or bins.

    Source: Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic curve",
    Radiology 1982; one class against the rest as in Provost and Domingos, "Well-trained PETs", 2000, unweighted.
    """

    def class_values(self) -> Tensor:
        """See ``ScoreMetric``."""
        return area_under_roc(self.own, self.others)
