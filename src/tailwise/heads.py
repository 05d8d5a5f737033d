"""Classifier heads: from features (B, F) to logits (B, C)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.hyperparameters import in_range, one_of


class CosineHead(nn.Module):
    """Logits are scaled cosines between the features and one direction per class.

        z_j = scale * <x, w_j> / (|x| |w_j|)

    No class can win by the length of its weight vector, which under imbalance grows with its count. Losses that scale
    by themselves (LDAM, CRI) want ``scale=1``; a plain softmax needs about 16 to become confident.

    Args:
        in_features: F.
        num_classes: C.
        scale: positive factor.

    Raises:
        ValueError: the scale is not positive or not finite.

    Source: Wang et al., "CosFace", CVPR 2018; Gidaris and Komodakis, "Dynamic Few-Shot Visual Learning", CVPR 2018.
    """

    def __init__(self, in_features: int, num_classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = in_range("scale", scale, above=0)
        self.weight = nn.Parameter(torch.empty(num_classes, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the directions anew."""
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, C) of features (B, F); a feature of length 0 gets logits 0."""
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


class ExpertHeads(nn.Module):
    """A head for each expert of a multi-expert network.

    Args:
        heads: E heads, each from features (B, F) to logits (B, C).

    Raises:
        ValueError: there is no head.

    Source: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts" (RIDE), ICLR 2021.
    """

    def __init__(self, heads: Iterable[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)
        if not self.heads:
            raise ValueError("heads must be one for each expert, got none; give at least one")

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, E, C) of features (B, E, F), those of expert e by head e.

        Raises:
            ValueError: the features are not of as many experts as there are heads.
        """
        if features.ndim != 3 or features.shape[1] != len(self.heads):
            raise ValueError(
                f"features must be (B, {len(self.heads)}, F), one row for each head, got shape {tuple(features.shape)}"
            )
        return torch.stack([head(own) for head, own in zip(self.heads, features.unbind(dim=1), strict=True)], dim=1)


def build_head(name: str, in_features: int, num_classes: int, scale: float | None = None) -> nn.Module:
    """``"linear"``, or ``"cosine"`` with its ``scale``.

    Raises:
        ValueError: the name is neither, or a linear head is given a scale.
    """
    one_of("head", name, ("linear", "cosine"))
    if name == "cosine":
        return CosineHead(in_features, num_classes, 1.0 if scale is None else scale)
    if scale is not None:
        raise ValueError(f"a linear head has no scale, got {scale}; use the cosine head or leave the scale out")
    return nn.Linear(in_features, num_classes)
