"""GALA against its golden cases, the facts its method states, and its state."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from conftest import golden
from loss_cases import problem
from tailwise.losses import BaGMarLoss, GALALoss, LogitAdjustedLoss


@pytest.mark.parametrize("case", [*golden("gala_published"), *golden("gala_released")])
def test_matches_golden_step_by_step(case: dict[str, Any]) -> None:
    loss = GALALoss(num_classes=len(case["steps"][0]["logits"][0]), **case["params"])
    for step in case["steps"]:
        for name in ("positive_gradient", "negative_gradient"):
            expected = torch.tensor(step[f"{name}_before"], dtype=torch.float64)
            torch.testing.assert_close(getattr(loss, name), expected, rtol=0, atol=1e-9)
        logits = torch.tensor(step["logits"], dtype=torch.float64, requires_grad=True)
        value = loss(logits, torch.tensor(step["target"]))
        value.backward()
        assert logits.grad is not None
        assert abs(value.item() - step["loss"]) <= 1e-9
        assert (logits.grad - torch.tensor(step["grad"], dtype=torch.float64)).abs().max() <= 1e-8


def train_steps(loss: GALALoss, steps: int = 5) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Batches with the gradient of the loss with respect to the logits of each."""
    seen = []
    for seed in range(steps):
        logits, target = problem(seed=seed)
        logits.requires_grad_()
        (grad,) = torch.autograd.grad(loss(logits, target), logits)
        seen.append((logits.detach(), target, grad))
    return seen


def test_state_is_the_gradient_that_autograd_finds_and_both_sums_are_equal() -> None:
    loss = GALALoss(num_classes=5)
    received, sent = torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for _, target, grad in train_steps(loss):
        own = grad.gather(1, target.unsqueeze(1)).squeeze(1).abs()
        received.index_add_(0, target, own)
        sent.index_add_(0, target, grad.abs().sum(dim=1) - own)
    torch.testing.assert_close(sent, received)
    torch.testing.assert_close(loss.positive_gradient, received)
    torch.testing.assert_close(loss.negative_gradient, sent)


def test_with_both_strengths_one_it_is_logit_adjustment_by_the_gathered_gradient() -> None:
    loss = GALALoss(num_classes=5, eps=1e-9)
    train_steps(loss)
    loss.eval()
    logits, target = problem(seed=9)
    prior = loss.positive_gradient[:4]
    target = target.clamp_max(3)
    counts = (prior * 1e15 / prior.sum()).round().long()
    kept = logits[:, :4]
    small = GALALoss(num_classes=4, eps=1e-9)
    small.positive_gradient += prior
    small.negative_gradient += prior
    torch.testing.assert_close(small.eval()(kept, target), LogitAdjustedLoss(counts)(kept, target), rtol=1e-6, atol=0)


def test_first_step_is_plain_cross_entropy() -> None:
    logits, target = problem()
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(GALALoss(num_classes=5)(logits, target), expected)


def test_state_moves_in_training_mode_only() -> None:
    loss = GALALoss(num_classes=5)
    logits, target = problem()
    loss.eval()(logits, target)
    assert (loss.positive_gradient == 0).all()
    loss.train()(logits, target)
    assert (loss.positive_gradient > 0).any()


def test_ignored_samples_and_one_hot_targets_leave_the_same_state() -> None:
    logits, target = problem()
    kept, soft, hard = (GALALoss(num_classes=5) for _ in range(3))
    marked = torch.cat([target, torch.full((3,), -100)])
    hard(torch.cat([logits, logits[:3]]), marked)
    kept(logits, target)
    soft(logits, torch.nn.functional.one_hot(target, 5).double())
    torch.testing.assert_close(hard.positive_gradient, kept.positive_gradient)
    torch.testing.assert_close(soft.positive_gradient, kept.positive_gradient)


def test_smoothed_and_weighted_state_is_that_of_the_samples_that_count() -> None:
    logits, target = problem()
    weight = torch.linspace(0.5, 2.5, 5, dtype=torch.float64)
    kept, marked, scaled = (
        GALALoss(num_classes=5, label_smoothing=0.1, weight=w) for w in (weight, weight, 10 * weight)
    )
    kept(logits, target)
    marked(torch.cat([logits, logits[:3]]), torch.cat([target, torch.full((3,), -100)]))
    scaled(logits, target)
    torch.testing.assert_close(marked.positive_gradient, kept.positive_gradient)
    torch.testing.assert_close(scaled.positive_gradient, kept.positive_gradient)
    # At the first step the loss is cross entropy: class c with q_c of a sample receives q_c * w_c * (1 - p_c).
    mixed = 0.9 * torch.nn.functional.one_hot(target, 5) + 0.02
    expected = (mixed * weight * (1 - logits.softmax(dim=1))).sum(dim=0) / weight[target].sum()
    torch.testing.assert_close(kept.positive_gradient, expected)


def test_batch_of_ignored_samples_leaves_the_state_as_it_is() -> None:
    logits, target = problem()
    loss = GALALoss(num_classes=5, label_smoothing=0.1)
    loss(logits, torch.full_like(target, -100))
    assert (loss.positive_gradient == 0).all()


def test_state_travels_in_the_state_dict() -> None:
    loss = GALALoss(num_classes=5, variant="released")
    train_steps(loss)
    other = GALALoss(num_classes=5, variant="released")
    other.load_state_dict(loss.state_dict())
    ours, theirs = copy.deepcopy(loss), other
    train_steps(ours, 2)
    train_steps(theirs, 2)
    torch.testing.assert_close(theirs.positive_gradient, ours.positive_gradient)


def test_state_keeps_its_precision_when_the_module_is_cast() -> None:
    loss = GALALoss(num_classes=5)
    train_steps(loss)
    before = loss.positive_gradient.clone()
    loss.to(torch.bfloat16)
    assert loss.positive_gradient.dtype == torch.float64
    assert torch.equal(loss.positive_gradient, before)


def test_alias_is_the_same_loss() -> None:
    assert BaGMarLoss is GALALoss


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give num_classes or class_counts"),
        ({"num_classes": 3, "class_counts": [2, 1]}, "num_classes is 3 but class_counts has 2"),
        ({"num_classes": 2.5}, "num_classes must be a whole number from 1 up, got 2.5"),
        ({"num_classes": 3, "variant": "other"}, 'variant must be "published" or "released"'),
        ({"num_classes": 3, "eps": 0.0}, "eps must be above 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GALALoss(**arguments)
