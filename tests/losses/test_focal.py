"""Focal loss against its golden cases and its limits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, FocalLoss


@pytest.mark.parametrize("case", golden("focal"))
def test_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(FocalLoss(**case["params"]), case)


def test_gamma_zero_is_cross_entropy() -> None:
    logits, target = problem()
    torch.testing.assert_close(FocalLoss(gamma=0.0)(logits, target), CrossEntropyLoss()(logits, target))


def test_alpha_scales_the_loss_where_weight_only_shares_it_out() -> None:
    logits, target = problem()
    doubled = [2.0] * 5
    plain = FocalLoss()(logits, target)
    torch.testing.assert_close(FocalLoss(alpha=doubled)(logits, target), 2 * plain)
    torch.testing.assert_close(FocalLoss(weight=doubled)(logits, target), plain)


def test_class_weight_stays_out_of_the_focal_factor() -> None:
    logits, target = problem(batch=1)
    weight = torch.tensor([7.0] * 5, dtype=torch.float64)
    summed = FocalLoss(weight=weight, reduction="sum")(logits, target)
    torch.testing.assert_close(summed, 7 * FocalLoss(reduction="sum")(logits, target))


def test_negative_gamma_is_refused() -> None:
    with pytest.raises(ValueError, match="gamma must be at least 0, got -1"):
        FocalLoss(gamma=-1)
