"""The strength of a correction, chosen on a validation set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from tailwise.counts import ClassCounts
from tailwise.posthoc._base import PosthocCorrection

TAUS = tuple(step / 10 for step in range(31))
"""The strengths that are tried unless others are given."""


def search_tau(
    logits: Tensor | NDArray[Any],
    targets: Tensor | NDArray[Any],
    correction: Callable[[float], PosthocCorrection],
    taus: Sequence[float] = TAUS,
) -> float:
    """The strength of a correction with the best balanced accuracy on a validation set.

    Balanced accuracy is the mean recall of the classes that the set has. A validation set carved from long-tailed
    training data is long-tailed itself, while re-balancing assumes a balanced set: each sample of class c is given the
    weight 1 / n_c, n_c its validation count, in the sums over the set, so that every class has the same say in them.
    The few samples of a rare class then speak for many, so tau is as uncertain as their recall. A class without a
    validation sample has no say: none is predicted to be of it, which would cost the others' recall and gain nothing.

    Args:
        logits: (N, C) of validation samples, which the classifier was not trained on.
        targets: (N,) class indices.
        correction: makes the correction of a tau: ``PredictionRebalancing``, or
            ``lambda tau: LogitAdjustment(class_counts, tau)``.
        taus: to choose from, ascending. Few samples make long runs of equally good ones: the middle of the first run is
            taken, as the safest, unless it begins with the first tau, by default 0, which corrects nothing.

    Raises:
        ValueError: the shapes do not fit, a target is not below C, or there is nothing to choose from.
    """
    scores, labels = torch.as_tensor(logits), torch.as_tensor(targets)
    if scores.ndim != 2 or len(scores) == 0 or labels.shape != scores.shape[:1] or len(taus) == 0:
        raise ValueError(
            f"a search needs logits (N, C), targets (N,) and at least one tau, got shapes {tuple(scores.shape)} and "
            f"{tuple(labels.shape)} and {len(taus)} taus"
        )
    counts = ClassCounts.from_targets(labels, scores.shape[1]).tensor().to(labels.device)
    weight = 1 / counts[labels].double()

    def balanced_accuracy(tau: float) -> float:
        corrected = correction(tau).transform(scores, weight)
        predicted = corrected.masked_fill(counts == 0, -torch.inf).argmax(dim=1)
        hits = labels[predicted == labels].bincount(minlength=len(counts))
        return float((hits / counts)[counts > 0].mean())

    accuracies = [balanced_accuracy(tau) for tau in taus]
    first = accuracies.index(max(accuracies))
    run = itertools.takewhile(lambda accuracy: accuracy == accuracies[first], accuracies[first:])
    return taus[0 if first == 0 else first + (len(list(run)) - 1) // 2]
