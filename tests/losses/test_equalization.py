"""Equalization loss: which classes are left out of whose softmax, and how often."""

from __future__ import annotations

import torch

from tailwise.losses import CrossEntropyLoss, EqualizationLoss

COUNTS = [800, 150, 50]


def test_with_probability_one_rare_classes_receive_no_gradient_from_others() -> None:
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 0, 1, 1, 2, 2])
    loss = EqualizationLoss(COUNTS, gamma=1.0)
    for mode in (loss.train(), loss.eval()):
        (gradient,) = torch.autograd.grad(mode(logits, target), logits)
        assert (gradient[:2, 1:] == 0).all()  # a sample of class 0 knows no other: 1 and 2 are below a third
        assert (gradient[:2, 0] == 0).all()
        assert (gradient[2:4, 2] == 0).all()
        assert (gradient[2:4, :2] != 0).all()
        assert (gradient[4:, [0, 2]] != 0).all()
        assert (gradient[4:, 1] == 0).all()


def test_without_probability_or_rare_classes_it_is_cross_entropy() -> None:
    logits = torch.randn(6, 3, dtype=torch.float64)
    target = torch.tensor([0, 0, 1, 1, 2, 2])
    expected = CrossEntropyLoss()(logits, target)
    for loss in (EqualizationLoss(COUNTS, gamma=0.0), EqualizationLoss(COUNTS, threshold=0.05)):
        torch.testing.assert_close(loss(logits, target), expected)


def test_draws_leave_rare_classes_out_as_often_as_asked() -> None:
    torch.manual_seed(0)
    logits = torch.zeros(20_000, 3, requires_grad=True)
    loss = EqualizationLoss(COUNTS, gamma=0.7, reduction="sum")
    (gradient,) = torch.autograd.grad(loss(logits, torch.zeros(20_000, dtype=torch.long)), logits)
    left_out = (gradient == 0).double().mean(dim=0)
    assert (left_out[1:] - 0.7).abs().max() < 0.015  # four standard deviations
    independent = ((gradient[:, 1] == 0) & (gradient[:, 2] == 0)).double().mean()
    assert abs(independent - 0.49) < 0.015


def test_soft_target_mixes_the_losses_of_its_classes_in_training() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64)
    loss = EqualizationLoss(COUNTS, gamma=1.0, reduction="none")
    soft = torch.tensor([[0.3, 0.0, 0.7]] * 4, dtype=torch.float64)
    expected = 0.3 * loss(logits, torch.tensor([0] * 4)) + 0.7 * loss(logits, torch.tensor([2] * 4))
    torch.testing.assert_close(loss(logits, soft), expected)
