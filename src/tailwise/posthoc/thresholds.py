"""A probability threshold for each class, chosen on a validation set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tailwise.hyperparameters import one_of
from tailwise.log_odds import log_odds
from tailwise.posthoc._base import ValidatedCorrection, match_classes, within_range
from tailwise.posthoc._registry import register_posthoc

Counted: TypeAlias = NDArray[np.int64]
ThresholdMetric = Literal["f1", "balanced_accuracy", "g_mean", "mcc"]


@register_posthoc("thresholds")
class ClassThresholds(ValidatedCorrection):
    """Predict a class from a probability of its own on, which is best for a metric on a validation set.

        t_c = argmax_t metric of "p_c > t" as the answer to "is it class c?",   p = softmax(z)
        z_c - log t_c,   prediction argmax_c p_c / t_c

    Needs a validation set. All thresholds that tell its samples apart are tried, by one pass over the sorted
    probabilities; of equally good ones the highest is taken. It lies midway, in log-odds, between the two samples that
    it parts; where all samples are on one side of it, 1 from the nearest. A threshold is no better known than the
    metric on the validation samples of its class: a handful of them leads astray.

    Two classes have one threshold, of class 1: t_0 = 1 - t_1, and class 1 is predicted where p_1 > t_1. The logits may
    be (N, 1), the log-odds of class 1, which become z - log(t_1 / (1 - t_1)): above 0, a sigmoid above 1/2, where
    p_1 > t_1. With more classes each is held against the rest. Where one class alone exceeds its threshold it is
    predicted; where none or several do, the one whose probability is the largest multiple of its threshold.

    For "balanced_accuracy" the best threshold is the class's prior, where softmax(z) is the posterior, so the
    prediction tends to that of ``LogitAdjustment``; for "f1" it is half of the F1 that it reaches. "f1" and "mcc"
    depend on the class frequencies: such thresholds suit data with those of the validation set. The corrected logits
    decide; their softmax are no calibrated probabilities.

    Args:
        metric: "f1", "balanced_accuracy", "g_mean" (geometric mean of the recalls of class and rest) or "mcc"
            (Matthews correlation).

    Attributes:
        thresholds_: (C,) float64 t, after ``fit``.

    Raises:
        ValueError: the metric is none of these; from ``fit``, also where a class has no validation sample.

    Source: thresholds for F1 in Lipton, Elkan, Naryanaswamy, "Optimal Thresholding of Classifiers to Maximize F1
    Measure", ECML PKDD 2014; for balanced accuracy in Menon et al., "On the Statistical Consistency of Algorithms for
    Binary Classification under Class Imbalance", ICML 2013.
    """

    def __init__(self, metric: ThresholdMetric = "f1") -> None:
        one_of("metric", metric, tuple(QUALITY))
        self.metric = metric
        self.log_thresholds: Tensor | None = None

    @property
    def thresholds_(self) -> Tensor:
        """(C,) float64, each from 0 to 1."""
        return self._learned().exp()

    def _fit(self, logits: Tensor, target: Tensor) -> None:
        num_classes = logits.shape[1]
        missing = (target.bincount(minlength=num_classes) == 0).nonzero().flatten().tolist()
        if missing:
            raise ValueError(
                f"class {missing[0]} has no validation sample, so it has no best threshold; hold out more samples"
            )
        # The difference of two logits may exceed float64's range.
        scores = log_odds(logits).clamp(*(limit / 4 for limit in FLOAT64_RANGE)).numpy()
        labels = target.numpy()
        judged = [1] if num_classes == 2 else range(num_classes)
        best = [_best_cut(scores[:, c], labels == c, QUALITY[self.metric]) for c in judged]
        cuts = torch.tensor(best, dtype=torch.float64)
        self.log_thresholds = F.logsigmoid(torch.cat([-cuts, cuts]) if num_classes == 2 else cuts)

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        shift = self._learned()
        if logits.shape[1] == 1 and len(shift) == 2:
            shift = shift[1:] - shift[:1]
        match_classes(logits, len(shift), "the validation set")
        return within_range(logits - shift.to(logits), logits.dtype)

    def _learned(self) -> Tensor:
        if self.log_thresholds is None:
            raise ValueError("the thresholds are unknown; call fit with validation logits and targets first")
        return self.log_thresholds


FLOAT64_RANGE = (torch.finfo(torch.float64).min, torch.finfo(torch.float64).max)


def _best_cut(scores: NDArray[np.float64], positive: NDArray[np.bool_], quality: Quality) -> float:
    """The score above which samples are best taken for positive ones; at least one sample is, and one is not."""
    order = np.argsort(-scores)
    ranked = scores[order]
    # How many samples may be above a cut: samples of the same score are on the same side.
    above = np.concatenate([[0], np.flatnonzero(ranked[1:] < ranked[:-1]) + 1, [len(ranked)]])
    hits = np.concatenate([[0], np.cumsum(positive[order])])[above]
    best = above[np.argmax(quality(hits, above - hits, int(positive.sum()), int((~positive).sum())))]
    if best == 0:
        return float(ranked[0] + 1)
    if best == len(ranked):
        return float(ranked[-1] - 1)
    lower, upper = ranked[best], ranked[best - 1]
    middle = lower + (upper - lower) / 2
    return float(middle if middle < upper else lower)


def _f1(hits: Counted, false_alarms: Counted, positives: int, negatives: int) -> NDArray[Any]:
    return 2 * hits / (hits + false_alarms + positives)


def _recalls_summed(hits: Counted, false_alarms: Counted, positives: int, negatives: int) -> NDArray[Any]:
    """Balanced accuracy up to constants, as a whole number, so that rounding makes no difference."""
    return hits * negatives - false_alarms * positives


def _recalls_multiplied(hits: Counted, false_alarms: Counted, positives: int, negatives: int) -> NDArray[Any]:
    """The square of the geometric mean up to a constant, as a whole number."""
    return hits * (negatives - false_alarms)


def _mcc(hits: Counted, false_alarms: Counted, positives: int, negatives: int) -> NDArray[Any]:
    """Matthews correlation up to a constant; 0 where all samples are on one side."""
    claimed = (hits + false_alarms).astype(np.float64)
    return _recalls_summed(hits, false_alarms, positives, negatives) / np.sqrt(
        np.maximum(claimed * (positives + negatives - claimed), 1)
    )


Quality: TypeAlias = Callable[[Counted, Counted, int, int], NDArray[Any]]
QUALITY: dict[str, Quality] = {
    "f1": _f1,
    "balanced_accuracy": _recalls_summed,
    "g_mean": _recalls_multiplied,
    "mcc": _mcc,
}
