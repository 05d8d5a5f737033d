"""CrossEntropyLoss is torch's, option for option."""

from __future__ import annotations

import itertools

import pytest
import torch

from loss_cases import problem
from tailwise.losses import CrossEntropyLoss

WEIGHT = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("weight", "smoothing", "reduction", "soft"),
    list(itertools.product([None, WEIGHT], [0.0, 0.3], ["mean", "sum", "none"], [False, True])),
)
def test_equals_torch(weight: torch.Tensor | None, smoothing: float, reduction: str, soft: bool) -> None:
    logits, target = problem()
    if soft:
        target = torch.softmax(problem(seed=3)[0], dim=1)
    else:
        target[::4] = -100
    options = {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    value = CrossEntropyLoss(**options)(ours, target)
    expected = torch.nn.CrossEntropyLoss(**options)(theirs, target)
    torch.testing.assert_close(value, expected)
    value.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_weight_as_a_plain_list_is_taken() -> None:
    logits, target = problem(dtype=torch.float32)
    assert CrossEntropyLoss(weight=[1, 2, 3, 4, 5])(logits, target) == CrossEntropyLoss(
        weight=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    )(logits, target)
