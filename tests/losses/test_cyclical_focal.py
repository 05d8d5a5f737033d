"""Cyclical focal loss against its golden cases, and its cycle."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import AsymmetricLoss, CyclicalFocalLoss


@pytest.mark.parametrize("case", golden("cyclical_focal"))
def test_matches_golden(case: dict[str, Any]) -> None:
    params = dict(case["params"])
    epoch = params.pop("epoch")
    loss = CyclicalFocalLoss(**params)
    loss.set_epoch(epoch)
    assert_matches_golden(loss, case)


def test_is_the_asymmetric_loss_at_the_turn() -> None:
    loss = CyclicalFocalLoss(epochs=11)
    loss.set_epoch(5)
    logits, target = problem()
    torch.testing.assert_close(loss(logits, target), AsymmetricLoss()(logits, target))


def test_cycle_starts_and_ends_with_confident_samples() -> None:
    loss = CyclicalFocalLoss(epochs=101)
    etas = []
    for epoch in range(101):
        loss.set_epoch(epoch)
        etas.append(float(loss.eta))
    assert etas[0] == etas[-1] == 1
    assert etas[50] == 0
    assert sorted(etas[:51], reverse=True) == etas[:51]
    assert sorted(etas[50:]) == etas[50:]


def test_one_epoch_has_no_cycle() -> None:
    assert float(CyclicalFocalLoss(epochs=1).eta) == 1


def test_epoch_survives_a_move() -> None:
    loss = CyclicalFocalLoss(epochs=10)
    loss.set_epoch(3)
    assert float(loss.to(torch.float16).eta) == pytest.approx(1 - 2 * 3 / 9, abs=1e-15)


@pytest.mark.parametrize("epoch", [-1, 10])
def test_epoch_outside_the_cycle_is_refused(epoch: int) -> None:
    with pytest.raises(ValueError, match=f"epoch must be from 0 to 9, got {epoch}"):
        CyclicalFocalLoss(epochs=10).set_epoch(epoch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1 up"),
        ({"epochs": 5, "gamma_hc": -1.0}, "gamma_hc must be at least 0"),
        ({"epochs": 5, "factor": 1.0}, "factor must be above 1, got"),
        ({"epochs": 5, "gamma_neg": -1.0}, "gamma_neg must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CyclicalFocalLoss(**arguments)
