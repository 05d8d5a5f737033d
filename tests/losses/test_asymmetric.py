"""Single-label ASL against its golden cases and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import AsymmetricLoss, CrossEntropyLoss, FocalLoss


@pytest.mark.parametrize("case", golden("asl_single_label"))
def test_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(AsymmetricLoss(**case["params"]), case)


def test_without_exponents_it_is_smoothed_cross_entropy() -> None:
    logits, target = problem()
    loss = AsymmetricLoss(gamma_pos=0, gamma_neg=0, label_smoothing=0.1)
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss(label_smoothing=0.1)(logits, target))


def test_without_smoothing_only_gamma_pos_acts_as_focal_loss() -> None:
    logits, target = problem()
    loss = AsymmetricLoss(gamma_pos=2, gamma_neg=4, label_smoothing=0.0)
    torch.testing.assert_close(loss(logits, target), FocalLoss(gamma=2.0)(logits, target))


def test_negative_exponent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma_neg must be at least 0, got -4"):
        AsymmetricLoss(gamma_neg=-4)
