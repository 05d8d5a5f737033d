"""The one report dictionary: every metric that a comparison on imbalanced data needs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error

from tailwise.conversion import as_tensor
from tailwise.counts import ClassCounts, CountsLike
from tailwise.log_odds import log_odds
from tailwise.metrics._base import class_indices, require_scores
from tailwise.metrics._ranking import area_under_roc, average_precision
from tailwise.metrics._recall import class_hits

SCORES_TOGETHER = 2**23


def classification_report(
    logits: Tensor | NDArray[Any], target: Tensor | NDArray[Any], class_counts: CountsLike, ece_bins: int = 15
) -> dict[str, float]:
    """Metrics of one test set, all in 0..1 except ``mcc`` (-1..1).

    ``accuracy``, ``balanced_accuracy`` (mean recall), ``macro_f1``, ``g_mean`` (geometric mean of the recalls, 0 where
    one is 0), ``mcc``, ``ece`` (confidence of the prediction in equal-width bins) and ``recall/<class>``.
    ``f1``, ``precision``, ``recall``, ``auc``, ``ap`` speak of class 1, the positive one, where there are two classes,
    and are macro averages where there are more: ``auc`` and ``ap`` one class against the rest, ranked by its log-odds
    z_c - logsumexp_{j != c} z_j, so that a saturated softmax makes no ties.
    ``accuracy_many``, ``accuracy_medium``, ``accuracy_few`` are mean recalls over the classes that were many (> 100),
    medium or few (< 20) in training; a group without a class is left out.

    Averages of recalls, ``auc`` and ``ap`` run over the classes that the test set has; macro F1 and precision over
    those that it has or that were predicted, as in scikit-learn. ``auc`` and ``ap`` are left out where the
    test set has one class only.

    Args:
        logits: (N, C) finite.
        target: (N,) class indices.
        class_counts: (C,) training counts.
        ece_bins: number of bins of the calibration error.

    Raises:
        ValueError: the shapes do not fit, there is no sample, a logit is not finite, or a target is not below C.

    Source: balanced accuracy and the rest as in scikit-learn; the groups of Liu et al., "Large-Scale Long-Tailed
    Recognition in an Open World", CVPR 2019; the calibration error of Guo et al., ICML 2017.
    """
    counts = ClassCounts(class_counts)
    scores, labels = _checked(logits, target, len(counts))
    report = decision_report(scores.argmax(dim=1), labels, counts)
    confidence, predicted = _predictions(scores)
    # Whether a prediction is right is a yes or no, of which its confidence is the probability.
    report["ece"] = float(
        binary_calibration_error(confidence, (predicted == labels).long(), n_bins=ece_bins, norm="l1")
    )
    auc, ap = _ranking(scores, labels, labels.bincount(minlength=len(counts)))
    ranked = ~auc.isnan()
    if ranked.any():
        binary = len(counts) == 2
        report["auc"] = float(auc[1] if binary else auc[ranked].mean())
        report["ap"] = float(ap[1] if binary else ap[ranked].mean())
    return report


def decision_report(
    predicted: Tensor | NDArray[Any], target: Tensor | NDArray[Any], class_counts: CountsLike
) -> dict[str, float]:
    """The metrics of :func:`classification_report` that follow from the predicted classes alone: all but ece, auc, ap.

    Args:
        predicted: (N,) class indices.
        target: (N,) class indices.
        class_counts: (C,) training counts.

    Raises:
        ValueError: the shapes do not fit, there is no sample, or a class is not below C.
    """
    counts = ClassCounts(class_counts)
    num_classes = len(counts)
    labels = as_tensor(target).cpu()
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"target must be (N,) class indices of at least one sample, got shape {tuple(labels.shape)}")
    labels = class_indices("target", labels, len(labels), num_classes)
    predicted = class_indices("predicted", as_tensor(predicted).cpu(), len(labels), num_classes)
    hits, actual = (counted.double() for counted in class_hits(predicted, labels, num_classes))
    claimed = predicted.bincount(minlength=num_classes).double()
    present = actual > 0
    recalls = hits / actual.clamp_min(1)
    precisions = hits / claimed.clamp_min(1)
    f1_scores = 2 * hits / (actual + claimed).clamp_min(1)
    present_or_claimed = present | (claimed > 0)
    binary = num_classes == 2

    report = {
        "accuracy": hits.sum() / len(labels),
        "balanced_accuracy": recalls[present].mean(),
        "f1": f1_scores[1] if binary else f1_scores[present_or_claimed].mean(),
        "macro_f1": f1_scores[present_or_claimed].mean(),
        "precision": precisions[1] if binary else precisions[present_or_claimed].mean(),
        "recall": recalls[1] if binary else recalls[present].mean(),
        "g_mean": recalls[present].log().mean().exp(),
        "mcc": _matthews_correlation(hits, actual, claimed),
    }
    for group, classes in zip(("many", "medium", "few"), counts.groups(), strict=True):
        members = torch.from_numpy(classes)[present[torch.from_numpy(classes)]]
        if len(members):
            report[f"accuracy_{group}"] = recalls[members].mean()
    report |= {f"recall/{index}": recalls[index] for index in present.nonzero().flatten().tolist()}
    return {name: float(value) for name, value in report.items()}


def _checked(logits: Tensor | NDArray[Any], target: Tensor | NDArray[Any], num_classes: int) -> tuple[Tensor, Tensor]:
    scores = as_tensor(logits).detach().cpu().double()
    require_scores("logits", scores, num_classes)
    if len(scores) == 0:
        raise ValueError(f"logits must hold one sample or more, got shape {tuple(scores.shape)}")
    return scores, class_indices("target", as_tensor(target).cpu(), len(scores), num_classes)


def _matthews_correlation(hits: Tensor, actual: Tensor, claimed: Tensor) -> Tensor:
    """Of the counts (C,) of samples found, had and predicted; 0 where a single class is predicted, or the only one.

    The covariance of the two labellings over the root of the product of their variances, N^2 times each. In whole
    numbers, and without a confusion matrix, which would take 80 GB for 100 000 classes.
    """
    found, had, called = (counts.long() for counts in (hits, actual, claimed))
    total = int(had.sum())
    covariance = int(found.sum()) * total - int((had * called).sum())
    variances = (total**2 - int((had * had).sum())) * (total**2 - int((called * called).sum()))
    return torch.tensor(covariance / math.sqrt(variances) if variances else 0.0, dtype=torch.float64)


def _rows_together(scores: Tensor) -> int:
    """So many rows that what is computed of them takes little beside the scores of many classes."""
    return max(1, SCORES_TOGETHER // scores.shape[1])


def _predictions(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The largest probability of each row, and its class."""
    parts = [part.softmax(dim=1).max(dim=1) for part in torch.split(scores, _rows_together(scores))]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def _ranking(logits: Tensor, labels: Tensor, actual: Tensor) -> tuple[Tensor, Tensor]:
    """Area under the ROC curve and average precision, (C,), of each class against the rest.

    NaN where a class has no sample or all of them. Written here because torchmetrics' takes a minute at 50 000 samples
    of 1000 classes: both areas follow from how many samples have each score. Ties count as there and in scikit-learn.
    """
    auc = torch.full((len(actual),), torch.nan, dtype=torch.float64)
    ap = auc.clone()
    scores = torch.empty_like(logits)
    together = _rows_together(logits)
    for place, part in zip(torch.split(scores, together), torch.split(logits, together), strict=True):
        place.copy_(log_odds(part))
    for index in (actual > 0).nonzero().flatten().tolist():
        values, counted = np.unique(scores[:, index].numpy(), return_counts=True)
        ranks = np.searchsorted(values, scores[labels == index, index].numpy())
        own = torch.from_numpy(np.bincount(ranks, minlength=len(values))).double()
        others = torch.from_numpy(counted).double() - own
        auc[index], ap[index] = area_under_roc(own, others), average_precision(own, others)
    return auc, ap
