"""The reliability diagram: how often predictions of a confidence are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True)
class ReliabilityBins:
    """Sums over the predictions in each of 15 bins of equal width of their confidence, the largest probability.

    samples, confidence, correct: (15,) how many there are, the sum of their confidences, how many are right.
    """

    samples: NDArray[np.float64]
    confidence: NDArray[np.float64]
    correct: NDArray[np.float64]

    def __add__(self, other: ReliabilityBins) -> ReliabilityBins:
        return ReliabilityBins(
            self.samples + other.samples, self.confidence + other.confidence, self.correct + other.correct
        )


def reliability_bins(logits: NDArray[np.float64], targets: NDArray[np.int64]) -> ReliabilityBins:
    """Bin the predictions of one test set as ``classification_report`` does for its ``ece``.

    Args:
        logits: (N, C).
        targets: (N,) class indices.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    confidence, predicted = (found.numpy() for found in torch.from_numpy(logits).softmax(dim=1).max(dim=1))
    bins = np.minimum((np.linspace(0, 1, BINS + 1) <= confidence[:, None]).sum(axis=1) - 1, BINS - 1)
    samples, confidences, correct = (
        np.asarray(np.bincount(bins, weights=weights, minlength=BINS), dtype=np.float64)
        for weights in (None, confidence, predicted == targets)
    )
    return ReliabilityBins(samples, confidences, correct)
