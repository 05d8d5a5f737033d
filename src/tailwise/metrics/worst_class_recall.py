"""Worst-class recall: what the class that fares worst can expect."""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.metrics._recall import RecallMetric


class WorstClassRecall(RecallMetric):
    """Smallest of the recalls of the classes.

        min_c recall_c

    It rests on the samples of one class: with ten of them it moves in steps of 0.1, and as the smallest of many noisy
    numbers it is below every class's true recall.

    Args:
        num_classes: C.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes.

    Source: the worst-group accuracy of Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts",
    ICLR 2020, with the classes as groups.
    """

    def compute(self) -> Tensor:
        """In 0..1."""
        return torch.nanquantile(self.recalls(), 0.0)  # the one way to a minimum that passes over NaN
