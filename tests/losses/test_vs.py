"""VS loss against its golden cases, and what it contains."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import counts_for, problem
from tailwise.losses import LogitAdjustedLoss, VSLoss


@pytest.mark.parametrize("case", golden("vs_loss"))
def test_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(VSLoss(case["class_counts"], **case["params"]), case)


def test_without_a_factor_it_is_the_logit_adjusted_loss() -> None:
    logits, target = problem()
    counts = counts_for(5)
    torch.testing.assert_close(
        VSLoss(counts, gamma=0.0, tau=0.7)(logits, target), LogitAdjustedLoss(counts, 0.7)(logits, target)
    )


def test_class_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="class 1 has count 0, so its factor is infinite"):
        VSLoss([3, 0])
