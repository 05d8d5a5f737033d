"""Balanced contrastive loss against its golden cases, by plain arithmetic, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from conftest import golden
from tailwise.losses import BalancedContrastiveLoss


def unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("case", golden("balanced_contrastive"))
def test_matches_golden(case: dict[str, Any]) -> None:
    features = torch.tensor(case["features"], dtype=torch.float64, requires_grad=True)
    centers = torch.tensor(case["centers"], dtype=torch.float64)
    value = BalancedContrastiveLoss(case["class_counts"], **case["params"])(
        features, torch.tensor(case["target"]), centers
    )
    value.backward()
    assert features.grad is not None
    assert abs(value.item() - case["loss"]) <= 1e-9
    assert (features.grad - torch.tensor(case["grad_features"], dtype=torch.float64)).abs().max() <= 1e-8


def test_equals_the_formula_in_plain_arithmetic() -> None:
    features, centers, target = unit(4, 2, 6), unit(3, 6, seed=1), torch.tensor([0, 1, 0, 2])
    points = [(f, y) for v in range(2) for f, y in zip(features[:, v].tolist(), target.tolist(), strict=True)]
    points += list(zip(centers.tolist(), range(3), strict=True))
    total = 0.0
    for i, (anchor, y) in enumerate(points[:8]):
        near = [math.exp(sum(a * b for a, b in zip(anchor, f, strict=True)) / 0.1) for f, _ in points]
        classes = [
            [e for j, (e, (_, label)) in enumerate(zip(near, points, strict=True)) if label == c and j != i]
            for c in range(3)
        ]
        denominator = sum(sum(members) / len(members) for members in classes)
        own = classes[y]
        total -= sum(math.log(e / denominator) for e in own) / len(own)
    value = BalancedContrastiveLoss([5, 3, 1])(features, target, centers)
    torch.testing.assert_close(value, torch.tensor(total / 8, dtype=torch.float64))


def test_gradient_passes_gradcheck_for_features_and_centers() -> None:
    loss = BalancedContrastiveLoss([5, 3, 1])
    given = (unit(4, 2, 6).requires_grad_(), unit(3, 6, seed=1).requires_grad_())
    assert torch.autograd.gradcheck(lambda f, c: loss(f, torch.tensor([0, 1, 0, 2]), c), given)


def test_empty_batch_gives_zero() -> None:
    assert BalancedContrastiveLoss([5, 3])(torch.zeros(0, 2, 4), torch.zeros(0, dtype=torch.long), unit(2, 4)) == 0


@pytest.mark.parametrize(
    ("features", "target", "centers", "error", "message"),
    [
        (unit(4, 6), torch.tensor([0, 1, 0, 2]), unit(3, 6), ValueError, r"features must be two views \(B, 2, D\)"),
        (unit(4, 2, 6), torch.tensor([0, 1]), unit(3, 6), ValueError, r"target \(B,\), got shapes"),
        (unit(4, 2, 6), torch.tensor([0, 1, 0, 2]), unit(3, 5), ValueError, r"centers must be \(3, 6\)"),
        (unit(4, 2, 6), torch.tensor([0, 1, 0, 3]), unit(3, 6), IndexError, "Target 3 is out of bounds"),
        (
            unit(4, 2, 6),
            torch.tensor([0.0, 1, 0, 2]),
            unit(3, 6),
            ValueError,
            "be class indices, got torch",
        ),
        (unit(4, 2, 6), [0, 1, 0, 2], unit(3, 6), TypeError, "target must be a tensor, got list"),
    ],
)
def test_wrong_arguments_are_named(
    features: Tensor, target: Any, centers: Tensor, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        BalancedContrastiveLoss([5, 3, 1])(features, target, centers)
