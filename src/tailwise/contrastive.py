"""A contrastive branch beside a classifier, in which every class has the same say."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.counts import CountsLike
from tailwise.hyperparameters import whole_number
from tailwise.losses import BalancedContrastiveLoss


class Projection(nn.Sequential):
    """(N, F) to (N, D) of length 1, through a hidden layer with batch normalisation."""

    def __init__(self, num_features: int, hidden: int, dimensions: int) -> None:
        super().__init__(
            nn.Linear(num_features, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, dimensions)
        )

    def forward(self, features: Tensor) -> Tensor:
        """The projected features."""
        projected: Tensor = super().forward(features)  # type: ignore[no-untyped-call]
        return F.normalize(projected, dim=1)


class BalancedContrastiveBranch(nn.Module):
    """The branch of balanced contrastive learning (BCL), for any model with a linear or cosine head.

        f = projection(features) / |.|,   centre of class c = another projection(w_c) / |.|

    w_c are the weights of the class in the head. Features and head both receive the gradient of
    ``BalancedContrastiveLoss``. The branch is of use in training alone: predict with the head.

    Args:
        class_counts: (C,) training counts.
        num_features: F of the features, and of the head's weights.
        hidden: width of the projections' hidden layer.
        dimensions: D of what they give.
        temperature: of the loss, positive.

    Raises:
        ValueError: a size is below 1, or the temperature is not positive.

    Source: Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition", CVPR 2022.
    """

    def __init__(
        self,
        class_counts: CountsLike,
        num_features: int,
        hidden: int = 512,
        dimensions: int = 128,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        sizes = {"num_features": num_features, "hidden": hidden, "dimensions": dimensions}
        sizes = {name: whole_number(name, size, at_least=1) for name, size in sizes.items()}
        self.of_samples = Projection(**sizes)
        self.of_classes = Projection(**sizes)
        self.loss = BalancedContrastiveLoss(class_counts, temperature)

    def forward(self, features: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            features: (2, B, F) of two views of every sample.
            target: (B,) class indices.
            weight: (C, F) of the head.

        Raises:
            ValueError: the shapes do not fit together.
        """
        if features.ndim != 3 or len(features) != 2:
            raise ValueError(f"features must be two views (2, B, F), got shape {tuple(features.shape)}")
        projected = self.of_samples(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        loss: Tensor = self.loss(projected.transpose(0, 1), target, self.of_classes(weight))
        return loss
