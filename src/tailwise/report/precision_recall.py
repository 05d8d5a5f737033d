"""Precision-recall curves of each class against the rest, at fixed recalls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tailwise.log_odds import log_odds

Values = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 41)


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision at the recalls ``RECALLS``, and average precision.

    macro, micro: (41,) the mean of the classes' curves; the curve of all decisions (sample, class) in one pool.
    classes: (C, 41), NaN for a class without a test sample.
    macro_average, micro_average, class_averages: average precision; (C,) for the classes.
    """

    macro: Values
    micro: Values
    classes: Values
    macro_average: float
    micro_average: float
    class_averages: Values


def precision_recall(logits: Values, targets: NDArray[np.int64]) -> PrecisionRecall:
    """The curves of one test set.

    The score of class c is its log-odds z_c - logsumexp_{j != c} z_j, as in ``classification_report``, so that the mean
    of the classes' average precisions is its ``ap``.

    Args:
        logits: (N, C).
        targets: (N,) class indices.
    """
    scores = log_odds(torch.from_numpy(logits)).numpy()
    num_classes = logits.shape[1]
    classes = np.full((num_classes, len(RECALLS)), np.nan)
    averages = np.full(num_classes, np.nan)
    for index in np.unique(targets).tolist():
        column = scores[:, index]
        classes[index], averages[index] = _curve(column[targets == index], np.sort(column))
    micro, micro_average = _curve(scores[np.arange(len(targets)), targets], np.sort(scores, axis=None))
    return PrecisionRecall(
        np.nanmean(classes, axis=0), micro, classes, float(np.nanmean(averages)), micro_average, averages
    )


def _curve(own: Values, ascending: Values) -> tuple[Values, float]:
    """Precision where each recall is first reached, and average precision, from the own scores (P,) among all (N,)."""
    own = np.sort(own)
    found = len(own) - np.searchsorted(own, own, side="left")
    called = len(ascending) - np.searchsorted(ascending, own, side="left")
    precision = (found / called)[::-1]
    first = np.searchsorted(found[::-1] / len(own), RECALLS - 1e-9, side="left")
    return precision[first], float(precision.mean())
