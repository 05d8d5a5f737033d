"""Influence-balanced loss against its golden cases, and its features."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, InfluenceBalancedLoss


@pytest.mark.parametrize("case", golden("influence_balanced"))
def test_matches_golden(case: dict[str, Any]) -> None:
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    length = torch.tensor(case["feature_l1_norm"], dtype=torch.float64).reshape(-1, 1)
    value = InfluenceBalancedLoss(**case["params"])(logits, torch.tensor(case["target"]), length)
    value.backward()
    assert logits.grad is not None
    torch.testing.assert_close(value.item(), case["loss"], rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(logits.grad, torch.tensor(case["grad"], dtype=torch.float64), rtol=1e-9, atol=1e-8)


def test_features_count_by_the_sum_of_their_sizes() -> None:
    logits, target = problem()
    features = torch.tensor([[0.5, -1.0, 0.25]], dtype=torch.float64).repeat(12, 1)
    loss = InfluenceBalancedLoss()
    torch.testing.assert_close(loss(logits, target, features), loss(logits, target, torch.full((12, 1), 1.75)))
    torch.testing.assert_close(loss(logits, target, features / 1.75), loss(logits, target))


def test_soft_target_meets_the_same_features() -> None:
    logits, target = problem()
    features = torch.linspace(0.1, 3, 12, dtype=torch.float64).unsqueeze(1)
    one_hot = torch.nn.functional.one_hot(target, 5).double()
    loss = InfluenceBalancedLoss(reduction="none")
    torch.testing.assert_close(loss(logits, one_hot, features), loss(logits, target, features))


def test_before_its_start_it_is_cross_entropy() -> None:
    logits, target = problem()
    loss = InfluenceBalancedLoss(start=2)
    expected = CrossEntropyLoss()(logits, target)
    for epoch, same in ((0, True), (1, True), (2, False)):
        loss.set_epoch(epoch)
        assert torch.allclose(loss(logits, target), expected) == same


def test_wrong_features_are_named() -> None:
    logits, target = problem()
    with pytest.raises(ValueError, match=r"features must be \(12, F\), got shape \(11, 3\)"):
        InfluenceBalancedLoss()(logits, target, torch.zeros(11, 3))
