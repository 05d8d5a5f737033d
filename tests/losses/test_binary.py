"""One logit a sample with 0/1 targets, in every loss of a softmax."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from loss_cases import CASES, LossCase
from tailwise.losses import CrossEntropyLoss

COUNTS = [90, 10]
Z = torch.tensor([1.5, -0.5, 0.2, -3.0], dtype=torch.float64)
TARGET = torch.tensor([1, 0, 0, 1])
every_softmax_loss = pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case.name not in ("asl_multi_label", "equalized_focal")
        and not {"alpha", "majority_classes"} & set(case.arguments)
    ],
    ids=lambda case: case.label,
)


def two_columns(z: Tensor) -> Tensor:
    return torch.stack((torch.zeros_like(z), z), dim=1)


@every_softmax_loss
def test_one_logit_is_that_of_class_one_of_two(case: LossCase) -> None:
    z = Z.clone().requires_grad_()
    loss = case.build(COUNTS)
    expected = loss(two_columns(z), TARGET)
    (wanted,) = torch.autograd.grad(expected, z)
    for logits in (z, z.unsqueeze(1)):
        for target in (TARGET, TARGET.bool(), TARGET.double(), TARGET.unsqueeze(1), TARGET.double().unsqueeze(1)):
            value = loss(logits, target)
            torch.testing.assert_close(value, expected)
            torch.testing.assert_close(torch.autograd.grad(value, z)[0], wanted)


def test_cross_entropy_is_binary_cross_entropy() -> None:
    for target in (TARGET.double(), torch.tensor([0.3, 0.9, 0.0, 1.0], dtype=torch.float64)):
        expected = F.binary_cross_entropy_with_logits(Z, target)
        torch.testing.assert_close(CrossEntropyLoss()(Z, target), expected)


def test_ignored_samples_count_for_nothing_in_any_type() -> None:
    target = torch.tensor([1, -100, 0, 1])
    kept = target != -100
    for labels in (target, target.double()):
        torch.testing.assert_close(CrossEntropyLoss()(Z, labels), CrossEntropyLoss()(Z[kept], target[kept]))


@pytest.mark.parametrize("wrong", [2.0, -100.0, float("nan")])
def test_target_that_is_no_probability_is_named(wrong: float) -> None:
    with pytest.raises(ValueError, match="must be 0, 1 or a probability between, got"):
        CrossEntropyLoss()(Z, torch.tensor([0.5, wrong, 0.0, 1.0]))


def test_target_of_another_shape_or_beyond_one_is_named() -> None:
    with pytest.raises(ValueError, match=r"one logit a sample, \(4,\), takes a target \(B,\) or \(B, 1\)"):
        CrossEntropyLoss()(Z, TARGET[:3])
    with pytest.raises(IndexError, match="Target 2 is out of bounds"):
        CrossEntropyLoss()(Z, torch.tensor([0, 1, 2, 0]))
