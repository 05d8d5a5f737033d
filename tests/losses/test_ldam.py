"""LDAM against its golden cases and the properties of its margins."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, LDAMLoss


@pytest.mark.parametrize("case", golden("ldam"))
def test_matches_golden(case: dict[str, Any]) -> None:
    weight = case["class_weight"]
    weight = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    assert_matches_golden(LDAMLoss(case["class_counts"], weight=weight, **case["params"]), case)


def test_rarest_class_has_the_largest_margin_and_margins_fall_with_the_fourth_root() -> None:
    delta = LDAMLoss([1600, 81, 1], max_margin=0.6).delta
    torch.testing.assert_close(delta, torch.tensor([0.6 / 6.3245553, 0.2, 0.6], dtype=torch.float64))


def test_without_margin_it_is_cross_entropy_of_the_scaled_logits() -> None:
    logits, target = problem()
    loss = LDAMLoss([50, 20, 10, 5, 1], max_margin=0.0, scale=7.0)
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss()(7 * logits, target))


def test_surely_right_sample_keeps_its_loss_to_full_precision_with_a_soft_target() -> None:
    """1 - p is far below the format's resolution here, so it must not be taken as a difference."""
    logits = torch.tensor([[1.0, 0.1, -0.3]])
    loss = LDAMLoss([100, 10, 1], max_margin=0.5, scale=30.0)
    soft = loss(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    exact = LDAMLoss([100, 10, 1], max_margin=0.5, scale=30.0)(logits.double(), torch.tensor([0]))
    torch.testing.assert_close(soft.double(), exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_counts": [5, 0]}, "class 1 has count 0, so its margin is infinite"),
        ({"class_counts": [5, 1], "max_margin": -0.1}, "max_margin must be at least 0"),
        ({"class_counts": [5, 1], "scale": 0}, "scale must be above 0, got 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LDAMLoss(**arguments)
