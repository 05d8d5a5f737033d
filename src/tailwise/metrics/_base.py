"""The contract of the metrics: what they take, and a state of whole numbers that processes sum."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from typing_extensions import Self

from tailwise.hyperparameters import flag, whole_number
from tailwise.losses._base import double_precision
from tailwise.losses._checks import require_tensor


class ClassificationMetric(Metric):
    """A metric of C classes whose state is int64 counts, summed over batches and processes.

    Sums of whole numbers do not depend on their order, so any split of the samples into batches and over processes
    gives the same value.

    Args:
        num_classes: C.
        **options: those of ``torchmetrics.Metric``: ``dist_sync_on_step``, ``process_group``, ``sync_on_compute``, ...

    Raises:
        ValueError: there are fewer than two classes, or an option is unknown.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def __init__(self, num_classes: int, **options: Any) -> None:
        super().__init__(**options)
        self.num_classes = whole_number("num_classes", num_classes, at_least=2)

    def add_counts(self, name: str, *shape: int) -> None:
        """A state of zeros."""
        self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def set_dtype(self, dst_type: str | torch.dtype) -> Self:
        """Nothing is cast: no other type holds the counts."""
        return self


class ScoreMetric(ClassificationMetric):
    """A metric that has a value for each class, found from the scores of all of them; its result is their mean.

    A class without a sample in the data has no value and is left out of the mean, which is NaN before the first sample.

    Args:
        num_classes: C.
        per_class: the values (C,) in place of their mean, NaN where there is none.
        from_logits: whether ``preds`` are logits; False where they are probabilities. Nothing is guessed from the
            numbers, for a batch of logits may lie in 0..1 by chance.
        **options: see ``ClassificationMetric``.
    """

    def __init__(self, num_classes: int, per_class: bool = False, from_logits: bool = True, **options: Any) -> None:
        super().__init__(num_classes, **options)
        self.per_class = flag("per_class", per_class)
        self.from_logits = flag("from_logits", from_logits)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            preds: (B, C) finite logits, or probabilities that sum to 1 in each row if ``from_logits`` is False.
            target: (B,) class indices.

        Raises:
            TypeError: either is not a tensor.
            ValueError: the shapes do not fit, a score is not finite or no probability, or a target is not below C.
        """
        require_tensor("preds", preds)
        require_tensor("target", target)
        scores = preds.detach()
        require_scores("preds", scores, self.num_classes)
        if not self.from_logits:
            _require_probabilities(scores)
        self.count(scores, class_indices("target", target, len(scores), self.num_classes))

    def compute(self) -> Tensor:
        """The mean over the classes, or (C,) values."""
        values = self.class_values()
        return values if self.per_class else values.nanmean()

    @abstractmethod
    def count(self, scores: Tensor, labels: Tensor) -> None:
        """Add valid scores (B, C) and int64 labels (B,) to the state."""

    @abstractmethod
    def class_values(self) -> Tensor:
        """(C,) NaN where a class has no value."""


def require_scores(name: str, scores: Tensor, num_classes: int) -> None:
    """Refuse scores that are not finite, floating and of shape (B, C)."""
    if scores.ndim != 2 or scores.shape[1] != num_classes or not scores.is_floating_point():
        raise ValueError(
            f"{name} must be (N, {num_classes}) floating, one column per class, got {scores.dtype} of shape "
            f"{tuple(scores.shape)}"
        )
    if not scores.isfinite().all():
        row = int((~scores.isfinite()).any(dim=1).nonzero()[0])
        raise ValueError(f"{name} must be finite, got {scores[row].tolist()} in row {row}")


def class_indices(name: str, labels: Tensor, num_samples: int, num_classes: int) -> Tensor:
    """The labels as int64, if they are (B,) class indices below C."""
    if labels.shape != (num_samples,) or labels.is_floating_point():
        raise ValueError(
            f"{name} must be {num_samples} class indices, got {labels.dtype} of shape {tuple(labels.shape)}"
        )
    labels = labels.long()
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        row = int(outside.nonzero()[0])
        raise ValueError(f"{name} must lie from 0 to {num_classes - 1}, got {int(labels[row])} in row {row}")
    return labels


def _require_probabilities(scores: Tensor) -> None:
    sums = double_precision(scores).sum(dim=1)
    # Half-precision probabilities are off by up to 2^-9 of each.
    wrong = (scores < 0).any(dim=1) | ((sums - 1).abs() > 0.01)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"preds must be probabilities that sum to 1 in each row, got {scores[row].tolist()} in row {row}; "
            "give logits with from_logits=True"
        )
