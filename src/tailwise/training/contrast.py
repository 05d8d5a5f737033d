"""The contrastive branch of a run: its views of a batch, and its share of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tailwise.contrastive import BalancedContrastiveBranch
from tailwise.data.augment.steps import StepModel, augment
from tailwise.distributed import Share


@dataclass(frozen=True)
class Contrast:
    """A branch, its factor beside the loss, and the augmentation of the two views that it compares."""

    branch: BalancedContrastiveBranch
    factor: float
    steps: Sequence[StepModel]

    def with_views(
        self, augmented: Tensor, images: Tensor, generator: torch.Generator, share: Share, count: int
    ) -> Tensor:
        """A share (b, ...) of a batch of ``count`` as the loss sees it, and after it the two views, (3 * b, ...)."""
        return torch.cat([augmented, *(augment(images, self.steps, generator, share, count) for _ in range(2))])

    def loss(self, features: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
        """Its share, of the features (3 * B, F) of such a batch and the head's weight (C, F)."""
        size = len(targets)
        return self.factor * self.branch.forward(features[size:].reshape(2, size, -1), targets, weight)
