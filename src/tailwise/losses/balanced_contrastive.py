"""Balanced contrastive loss: a supervised contrastive branch in which every class has the same say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range
from tailwise.losses._checks import require_labels, require_tensor


class BalancedContrastiveLoss(nn.Module):
    """Balanced supervised contrastive loss (BCL), to be added to a classification loss.

        A: both views f of all samples of the batch, and one centre of each class; A_c those of class c
        L_i = -1 / |A_y \\ {i}| * sum_{p in A_y \\ {i}} log( exp(f_i . f_p / t) / sum_c E_ic )
        E_ic = mean of exp(f_i . f_a / t) over a in A_c \\ {i},   t = temperature

    The mean over the two views of every sample. Averaging within the classes keeps frequent ones from dominating the
    denominator, the centres let every class be there in every batch. The paper takes f from a two-layer projection of
    the backbone's features, the centres from another of the classifier's weights, and adds 0.35 to 0.6 times this loss
    to 1 to 2 times a logit-adjusted one.

    Args:
        class_counts: (C,) training counts, of which only the number of classes is used.
        temperature: t, positive.

    Raises:
        ValueError: the temperature is not positive.

    Source: Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition", CVPR 2022, equation 5.
    """

    def __init__(self, class_counts: CountsLike, temperature: float = 0.1) -> None:
        super().__init__()
        self.num_classes = len(ClassCounts(class_counts))
        self.temperature = in_range("temperature", temperature, above=0)

    def forward(self, features: Tensor, target: Tensor, centers: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            features: (B, 2, D) of length 1 each: two views of every sample.
            target: (B,) class indices.
            centers: (C, D) of length 1 each.

        Raises:
            TypeError: an argument is no tensor.
            ValueError: the shapes do not fit together, or the target is no class indices.
            IndexError: a class index is not in 0 .. C-1.
        """
        for name, given in (("features", features), ("target", target), ("centers", centers)):
            require_tensor(name, given)
        if features.ndim != 3 or features.shape[1] != 2 or target.shape != features.shape[:1]:
            raise ValueError(
                "features must be two views (B, 2, D) and target (B,), got shapes "
                f"{tuple(features.shape)} and {tuple(target.shape)}"
            )
        if centers.shape != (self.num_classes, features.shape[2]):
            raise ValueError(
                f"centers must be ({self.num_classes}, {features.shape[2]}), got shape {tuple(centers.shape)}"
            )
        if len(target) == 0:
            return features.sum()
        if target.is_floating_point() or target.dtype is torch.bool:
            raise ValueError(f"target must be class indices, got {target.dtype}")
        require_labels(target, self.num_classes)
        if features.dtype in (torch.float16, torch.bfloat16):
            features = features.float()
        views = features.transpose(0, 1).flatten(0, 1)
        labels = torch.cat((target.repeat(2), torch.arange(self.num_classes, device=target.device)))
        size = labels.bincount(minlength=self.num_classes)[labels]
        same = labels[: len(views)].unsqueeze(1) == labels
        itself = torch.eye(len(views), len(labels), dtype=torch.bool, device=target.device)
        similarity = views @ torch.cat((views, centers.to(views))).T / self.temperature
        members = (size - same.to(size.dtype)).clamp_min(1).to(similarity)
        log_sum = (similarity - members.log()).masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
        positive = (same & ~itself).to(similarity)
        return -(positive * (similarity - log_sum)).sum(dim=1).div(positive.sum(dim=1)).mean()
