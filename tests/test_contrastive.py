"""The balanced contrastive branch on a model of one's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tailwise.contrastive import BalancedContrastiveBranch
from tailwise.losses import BalancedContrastiveLoss

COUNTS = [30, 10, 5]


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    features = torch.randn(2, 6, 8, generator=source)
    return features, torch.tensor([0, 0, 0, 1, 1, 2]), torch.randn(3, 8, generator=source)


def test_it_is_the_loss_of_what_its_layers_give() -> None:
    features, target, weight = batch()
    branch = BalancedContrastiveBranch(COUNTS, 8, hidden=5, dimensions=4, temperature=0.2).eval()
    branch.of_samples[1].running_mean.fill_(0.3)

    def projected(layers: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        first, norm, _, last = layers
        hidden = (first(x) - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        out = hidden.clamp_min(0) @ last.weight.T + last.bias
        return out / out.norm(dim=-1, keepdim=True)

    views = torch.stack([projected(branch.of_samples, view) for view in features], dim=1)
    centers = projected(branch.of_classes, weight)
    expected = BalancedContrastiveLoss(COUNTS, 0.2)(views, target, centers)
    torch.testing.assert_close(branch(features, target, weight), expected)


def test_training_draws_views_of_a_class_together_and_moves_the_head() -> None:
    torch.manual_seed(0)
    features, target, weight = batch()
    features, weight = features.requires_grad_(), weight.requires_grad_()
    branch = BalancedContrastiveBranch(COUNTS, 8)
    optimizer = torch.optim.SGD([features, weight, *branch.parameters()], lr=0.1)
    before = branch(features, target, weight)
    start = weight.detach().clone()
    for _ in range(30):
        optimizer.zero_grad()
        branch(features, target, weight).backward()
        optimizer.step()
    assert branch(features, target, weight) < before - 0.3
    assert (weight != start).any(dim=1).all()
    directions = F.normalize(branch.of_samples(features.flatten(0, 1)), dim=1)
    same = target.repeat(2).unsqueeze(1) == target.repeat(2)
    similarity = directions @ directions.T
    assert similarity[same].mean() > similarity[~same].mean() + 0.5


def test_wrong_views_are_named() -> None:
    features, target, weight = batch()
    branch = BalancedContrastiveBranch(COUNTS, 8)
    with pytest.raises(ValueError, match=r"two views \(2, B, F\), got shape \(6, 8\)"):
        branch(features[0], target, weight)
    with pytest.raises(ValueError, match="hidden must be"):
        BalancedContrastiveBranch(COUNTS, 8, hidden=0)
