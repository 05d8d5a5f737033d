"""CRI against its golden cases, LDAM, and its correction of outliers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CRILoss, FocalLoss, LDAMLoss

COUNTS = [50, 20, 10, 5, 1]


@pytest.mark.parametrize("case", golden("cri"))
def test_matches_golden(case: dict[str, Any]) -> None:
    weight = torch.tensor(case["class_weight"], dtype=torch.float64)
    assert_matches_golden(CRILoss(case["class_counts"], weight=weight, **case["params"]), case)


def test_gamma_zero_is_ldam() -> None:
    logits, target = problem()
    cri, ldam = CRILoss(COUNTS, gamma=0.0, correction="none"), LDAMLoss(COUNTS)
    torch.testing.assert_close(cri(logits, target), ldam(logits, target))


def test_without_margin_and_scale_it_is_focal_loss() -> None:
    logits, target = problem()
    cri = CRILoss(COUNTS, max_margin=0.0, scale=1.0, gamma=2.0, correction="none")
    torch.testing.assert_close(cri(logits, target), FocalLoss(gamma=2.0)(logits, target))


def outlier(p: float) -> torch.Tensor:
    """A sample whose class 0 of two has probability p."""
    return torch.tensor([[math.log(p), math.log(1 - p)]], dtype=torch.float64, requires_grad=True)


def corrected(correction: str, p: float) -> tuple[float, float]:
    loss = CRILoss([1, 1], max_margin=0.0, scale=1.0, gamma=2.0, correction=correction, threshold=0.1)  # type: ignore[arg-type]
    logits = outlier(p)
    value = loss(logits, torch.tensor([0]))
    value.backward()
    assert logits.grad is not None
    return value.item(), logits.grad[0, 0].item()


def test_correction_leaves_samples_above_the_threshold_alone() -> None:
    for correction in ("zero", "clip", "decay"):
        assert corrected(correction, 0.11) == corrected("none", 0.11)


def test_below_the_threshold_zero_drops_clip_holds_and_decay_fades() -> None:
    at_threshold = 0.9**2 * -math.log(0.1)
    assert corrected("zero", 0.05) == (0.0, 0.0)
    assert corrected("clip", 0.05) == (pytest.approx(at_threshold), 0.0)
    value, slope = corrected("decay", 0.05)
    assert value == pytest.approx(at_threshold * 0.05 / 0.1)
    assert slope > 0  # the loss falls as the sample gets worse


def test_clip_and_decay_are_continuous_at_the_threshold() -> None:
    for correction in ("clip", "decay"):
        below, above = corrected(correction, 0.1 - 1e-9)[0], corrected(correction, 0.1 + 1e-9)[0]
        assert below == pytest.approx(above, abs=1e-6)


def test_correction_is_per_sample_and_not_of_the_batch_mean() -> None:
    loss = CRILoss([1, 1], max_margin=0.0, scale=1.0, correction="zero", threshold=0.1, reduction="none")
    logits = torch.cat([outlier(0.01), outlier(0.6)])
    each = loss(logits, torch.tensor([0, 0]))
    assert each[0] == 0
    assert each[1] > 0


def test_weighted_mean_is_the_same_for_one_hot_targets_and_class_indices() -> None:
    logits, target = problem()
    weight = torch.tensor([0.1, 0.4, 1.0, 1.5, 2.0])
    for smoothing in (0.0, 0.1):
        loss = CRILoss(COUNTS, weight=weight, label_smoothing=smoothing)
        one_hot = torch.nn.functional.one_hot(target, 5).double()
        torch.testing.assert_close(loss(logits, one_hot), loss(logits, target))


def test_weighted_mean_of_mixed_labels_does_not_depend_on_the_scale_of_the_weights() -> None:
    logits, target = problem()
    mixed = 0.5 * torch.eye(5, dtype=torch.float64)[target] + 0.1
    weight = torch.tensor([0.1, 0.4, 1.0, 1.5, 2.0])
    values = [CRILoss(COUNTS, weight=scale * weight)(logits, mixed) for scale in (1.0, 10.0)]
    torch.testing.assert_close(values[0], values[1])
    assert CRILoss(COUNTS, weight=torch.zeros(5))(logits.float(), mixed.float()) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": -1.0}, "gamma must be at least 0"),
        ({"correction": "drop"}, 'correction must be "zero", "clip", "decay" or "none", got \'drop\''),
        ({"threshold": 0.0}, "threshold must be above 0 and below 1"),
        ({"threshold": 1.0}, "threshold must be above 0 and below 1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CRILoss([2, 1], **arguments)
