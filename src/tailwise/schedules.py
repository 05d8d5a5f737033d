"""Schedules: pure functions of the epoch that say how much each class counts in it."""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.weights import effective_number_weights


class DeferredReweighting:
    """Equal class weights until ``start``, effective-number weights from then on (DRW).

    Args:
        class_counts: (C,) training counts, all positive.
        start: first epoch, counted from 0, that is weighted.
        beta: of ``effective_number_weights``.

    Raises:
        ValueError: ``start`` is negative, ``beta`` out of range, or a class has no samples.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019.
    """

    def __init__(self, class_counts: CountsLike, start: int, beta: float = 0.9999) -> None:
        if start < 0:
            raise ValueError(f"start must be an epoch from 0 up, got {start}")
        self.start = start
        self.beta = beta
        self.num_classes = len(ClassCounts(class_counts))
        self.weights = effective_number_weights(class_counts, beta)

    def __call__(self, epoch: int) -> Tensor:
        """(C,) class weights of an epoch; they sum to C."""
        return self.weights if epoch >= self.start else torch.ones(self.num_classes, dtype=torch.float64)
