"""Balanced accuracy: every class counts the same, however many samples it has."""

from __future__ import annotations

from torch import Tensor

from tailwise.metrics._recall import RecallMetric


class BalancedAccuracy(RecallMetric):
    """Mean of the recalls of the classes.

        (1 / C) * sum_c recall_c

    On a test set with as many samples of each class it is the accuracy. torchmetrics' macro recall differs where a
    class has no sample in the data but is predicted: it counts as 0 there and not at all here.

    Args:
        num_classes: C.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes.

    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", ICPR 2010; classes without samples
    as in scikit-learn's ``balanced_accuracy_score``.
    """

    def compute(self) -> Tensor:
        """In 0..1."""
        return self.recalls().nanmean()
