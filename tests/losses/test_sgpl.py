"""SGPL against its golden cases and the losses it contains."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, FocalLoss, GPPELoss, SGPLLoss


@pytest.mark.parametrize("case", golden("sgpl"))
def test_matches_golden(case: dict[str, Any]) -> None:
    loss = SGPLLoss(case["class_counts"], **case["params"])
    torch.testing.assert_close(loss.class_coefficient, torch.tensor(case["class_coefficient"], dtype=torch.float64))
    assert_matches_golden(loss, case)


@pytest.mark.parametrize("case", golden("sgpl_released"))
def test_released_variant_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(SGPLLoss(case["class_counts"], variant="released", **case["params"]), case)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equal_counts_make_it_cross_entropy(smoothing: float) -> None:
    logits, target = problem()
    loss = SGPLLoss([40] * 5, label_smoothing=smoothing)
    assert (loss.class_coefficient == 0).all()
    torch.testing.assert_close(
        loss(logits, target), CrossEntropyLoss(label_smoothing=smoothing)(logits, target), rtol=0, atol=1e-12
    )


def test_two_levels_without_smoothing_make_it_gppe() -> None:
    logits, target = problem()
    counts = [100, 5000, 100, 5000, 5000]
    sgpl, gppe = SGPLLoss(counts, label_smoothing=0.0), GPPELoss(majority_classes=[1, 3, 4])
    torch.testing.assert_close(sgpl(logits, target), gppe(logits, target), rtol=0, atol=1e-12)


def test_constant_exponent_on_the_largest_class_is_focal_loss() -> None:
    logits, _ = problem()
    target = torch.ones(12, dtype=torch.long)
    sgpl = SGPLLoss([1, 50, 2, 3, 4], alpha=0.0, beta=2.0, margin=0.0, label_smoothing=0.0)
    torch.testing.assert_close(sgpl(logits, target), FocalLoss(gamma=2.0)(logits, target))


def test_rarer_classes_are_penalised_less_for_the_same_probability() -> None:
    counts = [1000, 500, 200, 50, 10]
    logits = torch.full((5, 5), 0.0, dtype=torch.float64) + 1.5 * torch.eye(5, dtype=torch.float64)
    each = SGPLLoss(counts, reduction="none")(logits, torch.arange(5))
    assert (each.diff() > 0).all()


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(ValueError, match='variant must be "published" or "released", got \'original\''):
        SGPLLoss([2, 1], variant="original")  # type: ignore[arg-type]


def test_margin_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"margin must be at least 0 and below 1, got 1\.5"):
        SGPLLoss([2, 1], margin=1.5)
