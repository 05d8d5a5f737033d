"""Dice, focal Tversky, combo and hybrid focal losses: their golden cases, and what a loss of a batch does."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import ComboLoss, DiceLoss, FocalLoss, FocalTverskyLoss, HybridFocalLoss, build_loss


@pytest.mark.parametrize("case", golden("focal_tversky"))
def test_focal_tversky_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(FocalTverskyLoss(**case["params"]), case)


@pytest.mark.parametrize("case", golden("combo"))
def test_combo_matches_golden(case: dict[str, Any]) -> None:
    params = {key: value for key, value in case["params"].items() if key != "class_weight_order"}
    assert_matches_golden(ComboLoss(**params), case)


def test_symmetric_unfocused_tversky_is_dice() -> None:
    logits, target = problem()
    tversky = FocalTverskyLoss(delta=0.5, gamma=1.0, smooth=0.5)(logits, target)
    torch.testing.assert_close(tversky, DiceLoss(smooth=1.0)(logits, target))


def test_hybrid_focal_goes_from_focal_tversky_to_focal() -> None:
    logits, target = problem()
    torch.testing.assert_close(HybridFocalLoss(focal_share=1.0)(logits, target), FocalLoss(2.0)(logits, target))
    torch.testing.assert_close(HybridFocalLoss(focal_share=0.0)(logits, target), FocalTverskyLoss()(logits, target))


def test_combo_of_cross_entropy_alone_is_cross_entropy() -> None:
    logits, target = problem()
    torch.testing.assert_close(ComboLoss(alpha=1.0)(logits, target), torch.nn.functional.cross_entropy(logits, target))


@pytest.mark.parametrize("name", ["dice", "focal_tversky", "hybrid_focal"])
def test_sure_and_right_predictions_cost_next_to_nothing(name: str) -> None:
    target = torch.arange(5)
    loss = build_loss(name)(50 * torch.nn.functional.one_hot(target, 5).double(), target)
    assert 0 <= loss < 1e-10


def test_class_that_is_missing_from_the_batch_still_costs_what_is_predicted_of_it() -> None:
    present = torch.tensor([[5.0, 0.0, -50.0], [0.0, 5.0, -50.0]])
    predicted = torch.tensor([[5.0, 0.0, 4.0], [0.0, 5.0, 4.0]])
    loss = FocalTverskyLoss()
    assert loss(predicted, torch.tensor([0, 1])) > loss(present, torch.tensor([0, 1])) + 0.3


def test_weight_weights_the_mean_over_the_classes() -> None:
    logits, target = problem()
    only_third = DiceLoss(weight=[0.0, 0.0, 1.0, 0.0, 0.0])(logits, target)
    p, own = logits.softmax(dim=1)[:, 2], target == 2
    torch.testing.assert_close(only_third, 1 - (2 * p[own].sum() + 1) / (p.sum() + own.sum() + 1))


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_other_reductions_are_refused(reduction: Any) -> None:
    with pytest.raises(ValueError, match=r'reduction must be "mean", for DiceLoss is one number'):
        DiceLoss(reduction=reduction)


def test_beta_of_combo_is_for_two_classes() -> None:
    with pytest.raises(ValueError, match="beta weights two classes, but the logits have 5"):
        ComboLoss(beta=0.7)(*problem())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("dice", {"alpha": -1.0}, "alpha must be at least 0, got -1.0"),
        ("dice", {"smooth": 0.0}, "smooth must be above 0"),
        ("focal_tversky", {"delta": 1.5}, "delta must be at least 0 and at most 1"),
        ("focal_tversky", {"gamma": 0.0}, "gamma must be above 0"),
        ("combo", {"alpha": 2.0}, "alpha must be at least 0 and at most 1"),
        ("combo", {"beta": -0.5}, "beta must be at least 0 and at most 1"),
        ("combo", {"smooth": -1.0}, "smooth must be above 0"),
        ("hybrid_focal", {"focal_share": 1.1}, "focal_share must be at least 0 and at most 1"),
        ("hybrid_focal", {"focal_gamma": -1.0}, "focal_gamma must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_loss(name, **arguments)
