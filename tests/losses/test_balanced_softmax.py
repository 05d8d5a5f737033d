"""Balanced softmax against its golden cases and its own definition."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import counts_for, problem
from tailwise.losses import BalancedSoftmaxLoss, LogitAdjustedLoss


@pytest.mark.parametrize("case", golden("balanced_softmax"))
def test_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(BalancedSoftmaxLoss(case["class_counts"], **case["params"]), case)


def test_is_the_logit_adjusted_loss_by_another_name() -> None:
    logits, target = problem()
    first, second = BalancedSoftmaxLoss(counts_for(5), tau=0.7), LogitAdjustedLoss(counts_for(5), tau=0.7)
    assert first(logits, target) == second(logits, target)
