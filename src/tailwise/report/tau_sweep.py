"""What the strength of a correction does to a run: accuracies against tau."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tailwise.counts import ClassCounts, CountsLike
from tailwise.metrics import BalancedAccuracy, ShotAccuracy
from tailwise.posthoc import TAUS, build_posthoc

SWEPT = ("logit-adjustment", "rebalance")


def tau_sweep(
    posthoc: str, logits: NDArray[np.float64], targets: NDArray[np.int64], class_counts: CountsLike
) -> dict[str, list[float]]:
    """Accuracy, balanced accuracy and that of the many-, medium- and few-shot classes at each of ``TAUS``.

    Both corrections in ``SWEPT`` are linear in tau: two transformations give those of any tau.

    Args:
        posthoc: one of ``SWEPT``.
        logits: (N, C) of a test set, as trained.
        targets: (N,) class indices.
        class_counts: (C,) training counts.

    Raises:
        ValueError: the correction cannot be applied, as logit adjustment where a class has count 0.
    """
    counts = ClassCounts(class_counts)
    none, full = (
        torch.from_numpy(np.asarray(build_posthoc(posthoc, counts, tau=tau).transform(logits))) for tau in (0.0, 1.0)
    )
    labels = torch.from_numpy(targets)
    found: dict[str, list[float]] = {}
    for tau in TAUS:
        predicted = torch.lerp(none, full, tau).argmax(dim=1)
        balanced, shots = BalancedAccuracy(len(counts)), ShotAccuracy(counts)
        for metric in (balanced, shots):
            metric.update(predicted, labels)
        by_group = shots.compute()
        assert isinstance(by_group, dict)
        values = {
            "accuracy": (predicted == labels).double().mean(),
            "balanced_accuracy": balanced.compute(),
            **{name: value for name, value in by_group.items() if not value.isnan()},
        }
        for name, value in values.items():
            found.setdefault(name, []).append(float(value))
    return found
