"""Logit adjustment in training: its limits and what it is Bayes-consistent with."""

from __future__ import annotations

import pytest
import torch

from loss_cases import counts_for, problem
from tailwise.losses import CrossEntropyLoss, LogitAdjustedLoss


def test_tau_zero_is_cross_entropy() -> None:
    logits, target = problem()
    loss = LogitAdjustedLoss(counts_for(5), tau=0.0)
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss()(logits, target))


def test_equal_counts_are_cross_entropy() -> None:
    logits, target = problem()
    torch.testing.assert_close(LogitAdjustedLoss([9] * 5)(logits, target), CrossEntropyLoss()(logits, target))


def test_only_the_proportions_of_the_counts_matter() -> None:
    logits, target = problem()
    loss, scaled = LogitAdjustedLoss([50, 20, 10, 5, 1]), LogitAdjustedLoss([500, 200, 100, 50, 10])
    torch.testing.assert_close(loss(logits, target), scaled(logits, target))


def test_logits_of_a_balanced_posterior_are_its_minimum() -> None:
    """With P(x | c) given, minimising over free logits finds log P(x | c), the balanced classifier."""
    likelihood = torch.tensor([[0.7, 0.3], [0.4, 0.6]], dtype=torch.float64)  # P(x | c), rows c
    counts = [900, 100]
    joint = likelihood * torch.tensor([[0.9], [0.1]], dtype=torch.float64)
    logits = torch.log(likelihood.T).clone().requires_grad_()  # rows x
    loss = LogitAdjustedLoss(counts, reduction="none")
    expected = sum((joint[c] * loss(logits, torch.full((2,), c))).sum() for c in range(2))
    (grad,) = torch.autograd.grad(expected, logits)
    torch.testing.assert_close(grad, torch.zeros(2, 2, dtype=torch.float64))


def test_class_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="class 1 has count 0, so its log prior is infinite"):
        LogitAdjustedLoss([3, 0, 2])


def test_gradient_of_a_learnable_strength_is_that_of_the_formula() -> None:
    logits, target = problem()
    counts = [50, 20, 10, 5, 1]
    loss = LogitAdjustedLoss(counts, tau=0.7, learnable=True)
    (tau,) = loss.parameters()
    (gradient,) = torch.autograd.grad(loss(logits, target), tau)
    step = 1e-6
    above, below = (LogitAdjustedLoss(counts, tau=0.7 + d)(logits, target) for d in (step, -step))
    torch.testing.assert_close(gradient, (above - below) / (2 * step), rtol=1e-6, atol=1e-9)


def test_strength_that_learns_comes_to_explain_the_prior() -> None:
    counts = [80, 20]
    loss = LogitAdjustedLoss(counts, tau=0.0, learnable=True)
    optimizer = torch.optim.SGD(loss.parameters(), lr=1.0)
    logits, target = torch.zeros(100, 2), torch.tensor([0] * 80 + [1] * 20)
    for _ in range(200):
        optimizer.zero_grad()
        loss(logits, target).backward()
        optimizer.step()
    assert loss.tau.item() == pytest.approx(1.0, abs=1e-3)
