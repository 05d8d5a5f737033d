"""Seesaw loss against its golden cases, and what it counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, SeesawLoss


@pytest.mark.parametrize("case", golden("seesaw"))
def test_matches_golden(case: dict[str, Any]) -> None:
    loss = SeesawLoss(case["num_classes"], **case["params"])
    for step in case["steps"]:
        assert_matches_golden(loss, step)


def test_counts_in_training_mode_alone() -> None:
    loss = SeesawLoss(3)
    assert loss.seen is not None
    loss(torch.zeros(4, 3), torch.tensor([0, 2, 2, -100]))
    loss(torch.zeros(1, 3), torch.tensor([[0.25, 0.75, 0.0]]))
    assert loss.seen.tolist() == [1.25, 0.75, 2.0]
    loss.eval()(torch.zeros(1, 3), torch.tensor([1]))
    assert loss.seen.tolist() == [1.25, 0.75, 2.0]
    assert loss.half().seen.dtype == torch.float64


def test_without_exponents_it_is_cross_entropy() -> None:
    logits, target = problem()
    expected = CrossEntropyLoss()(logits, target)
    torch.testing.assert_close(SeesawLoss(class_counts=[9, 5, 3, 2, 1], p=0, q=0)(logits, target), expected)


@pytest.mark.parametrize("arguments", [{}, {"num_classes": 2, "class_counts": [1, 2]}])
def test_needs_either_classes_or_counts(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give one of the two"):
        SeesawLoss(**arguments)
