"""LADE's regulariser against its golden cases, and what the loss contains."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from loss_cases import counts_for, problem
from tailwise.losses import BalancedSoftmaxLoss, LADELoss


@pytest.mark.parametrize("case", golden("lade"))
def test_regularizer_matches_golden(case: dict[str, Any]) -> None:
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    value = LADELoss(case["class_counts"], **case["params"]).regularizer(logits, torch.tensor(case["target"]))
    (gradient,) = torch.autograd.grad(value, logits)
    # The authors' code adds 1e-8 to the samples of a class and 1e-9 to the priors.
    assert abs(value.item() - case["loss"]) <= 1e-7
    assert (gradient - torch.tensor(case["grad"], dtype=torch.float64)).abs().max() <= 1e-8


def test_without_regularizer_it_is_balanced_softmax() -> None:
    logits, target = problem()
    counts = counts_for(5)
    torch.testing.assert_close(
        LADELoss(counts, regularizer_weight=0.0)(logits, target), BalancedSoftmaxLoss(counts)(logits, target)
    )


def test_bound_is_the_divergence_where_the_logits_are_the_log_densities() -> None:
    # Two classes, features 0 or 1 with p(x|c) = 0.9 on x = c: T - S is then the divergence from the balanced mixture.
    samples = [(0, 0)] * 9 + [(1, 0)] + [(0, 1)] + [(1, 1)] * 9
    features, target = torch.tensor(samples).T
    density = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64)
    logits = density[:, features].T.log()
    bound = -LADELoss([10, 10], remine_lambda=0.0).regularizer(logits, target)
    divergence = 0.9 * torch.tensor(0.9 / 0.5).log() + 0.1 * torch.tensor(0.1 / 0.5).log()
    torch.testing.assert_close(bound, divergence.double(), rtol=1e-6, atol=0)


def test_other_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match='reduction must be "mean", for LADELoss is one number'):
        LADELoss([3, 2], reduction="sum")
