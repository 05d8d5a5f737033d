"""Label-aware smoothing against its golden cases and plain label smoothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, LabelAwareSmoothingLoss

COUNTS = [100, 5, 40, 17, 61]


@pytest.mark.parametrize("case", golden("label_aware_smoothing"))
def test_matches_golden(case: dict[str, Any]) -> None:
    assert_matches_golden(LabelAwareSmoothingLoss(case["class_counts"], **case["params"]), case)


@pytest.mark.parametrize("shape", ["concave", "linear", "convex"])
def test_smoothing_goes_from_tail_to_head(shape: Any) -> None:
    smoothing = LabelAwareSmoothingLoss(COUNTS, 0.4, 0.1, shape).class_smoothing
    assert smoothing[1] == pytest.approx(0.1)
    assert smoothing[0] == pytest.approx(0.4)
    assert (smoothing[torch.tensor(COUNTS).argsort()].diff() > 0).all()


def test_same_smoothing_of_all_classes_is_label_smoothing_with_class_weights_too() -> None:
    logits, target = problem()
    weight = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0], dtype=torch.float64)
    for given in (target, logits.roll(1, 0).softmax(1)):
        torch.testing.assert_close(
            LabelAwareSmoothingLoss(COUNTS, 0.2, 0.2, weight=weight)(logits, given),
            CrossEntropyLoss(label_smoothing=0.2, weight=weight)(logits, given),
        )


def test_equal_counts_take_the_smoothing_of_the_tail() -> None:
    logits, target = problem()
    loss = LabelAwareSmoothingLoss([7] * 5, 0.3, 0.1)
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss(label_smoothing=0.1)(logits, target))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"smooth_head": 1.5}, "smooth_head must be at least 0 and at most 1"),
        ({"smooth_tail": -0.1}, "smooth_tail must be at least 0 and at most 1"),
        ({"shape": "round"}, 'shape must be "concave"'),
        ({"shape": "exp"}, 'power must be given for shape "exp"'),
        ({"shape": "exp", "power": 0.0}, "power must be above 0"),
        ({"shape": "linear", "power": 2.0}, "left out for others"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelAwareSmoothingLoss(COUNTS, **arguments)
