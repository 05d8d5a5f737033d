"""Label over-smoothing: cross entropy with a smoothing near 1."""

from __future__ import annotations

import torch

from loss_cases import problem
from tailwise.losses import LabelOverSmoothingLoss


def test_is_torchs_cross_entropy_with_its_smoothing() -> None:
    logits, target = problem()
    expected = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.98)
    torch.testing.assert_close(LabelOverSmoothingLoss()(logits, target), expected)


def test_minimum_has_almost_equal_logits() -> None:
    logits = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(LabelOverSmoothingLoss()(logits, torch.tensor([2])), logits)
    assert gradient.abs().max() <= 0.02
