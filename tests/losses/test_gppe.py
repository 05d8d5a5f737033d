"""GPPE against its golden cases, its limits and the properties its paper argues from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conftest import golden
from golden_check import assert_matches_golden
from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, GPPELoss


def shape_arguments(params: dict[str, Any]) -> dict[str, float]:
    return {key: params[key] for key in ("alpha", "beta", "margin")}


@pytest.mark.parametrize("case", golden("gppe_binary"))
def test_matches_golden_two_class(case: dict[str, Any]) -> None:
    loss = GPPELoss(majority_classes=[0], detach_weight=True, **shape_arguments(case["params"]))
    assert case["params"]["positive_class"] == 1
    assert_matches_golden(loss, case)


@pytest.mark.parametrize("case", golden("gppe_multiclass"))
def test_matches_golden_multi_class(case: dict[str, Any]) -> None:
    params = case["params"]
    assert params["weight_gradient"]
    assert_matches_golden(GPPELoss(params["majority_classes"], **shape_arguments(params)), case)


def test_without_a_majority_it_is_cross_entropy() -> None:
    logits, target = problem()
    torch.testing.assert_close(GPPELoss(majority_classes=[])(logits, target), CrossEntropyLoss()(logits, target))


def test_majority_without_factor_and_shift_is_cross_entropy() -> None:
    logits, target = problem()
    loss = GPPELoss(majority_classes=range(5), alpha=0.0, beta=0.0, margin=0.0)
    torch.testing.assert_close(loss(logits, target), CrossEntropyLoss()(logits, target))


@pytest.mark.parametrize(
    ("counts", "majority"),
    [([1000, 50], [0]), ([50, 1000], [1]), ([50] * 5 + [3000] * 5, [5, 6, 7, 8, 9]), ([7, 7, 7], [])],
)
def test_majority_is_what_lies_above_the_mean_count(counts: list[int], majority: list[int]) -> None:
    logits, target = problem(classes=len(counts) if len(counts) > 2 else 2)
    derived, named = GPPELoss(class_counts=counts), GPPELoss(majority_classes=majority)
    assert derived(logits, target) == named(logits, target)


def test_majority_is_found_among_counts_whose_multiples_overflow() -> None:
    assert GPPELoss(class_counts=[2**61, 2**62, 5]).majority.tolist() == [False, True, False]


@pytest.mark.parametrize("majority", [(1, 3), {1, 3}, np.array([1, 3]), torch.tensor([1, 3])])
def test_majority_classes_may_be_any_collection(majority: Any) -> None:
    assert GPPELoss(majority_classes=majority).majority_classes == [1, 3]


def test_majority_sample_beyond_the_margin_has_no_gradient() -> None:
    logits = torch.tensor([[4.0, 0.0]], requires_grad=True)  # p = 0.982 > 1 - m
    GPPELoss([0])(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_majority_gradient_never_exceeds_the_minority_gradient() -> None:
    p = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    logits = torch.stack([p.log(), (1 - p).log()], dim=1)
    slopes = []
    for majority in ([0], []):
        z = logits.clone().requires_grad_()
        GPPELoss(majority, detach_weight=True, reduction="sum")(z, torch.zeros(99, dtype=torch.long)).backward()
        assert z.grad is not None
        slopes.append(z.grad[:, 0].abs())
    assert (slopes[0] <= slopes[1]).all()


def test_badly_wrong_minority_sample_keeps_its_gradient_where_released_code_clamps() -> None:
    logits = torch.tensor([[60.0, 0.0]], requires_grad=True)  # p_1 = 9e-27, below the released clamp of 1e-8
    GPPELoss([0])(logits, torch.tensor([1])).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[1.0, -1.0]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give majority_classes or class_counts"),
        ({"majority_classes": [-1]}, "different indices from 0 up"),
        ({"majority_classes": [1, 1]}, "different indices"),
        ({"majority_classes": [0.7]}, r"different indices from 0 up, got \[0\.7\]"),
        ({"majority_classes": "01"}, "different indices from 0 up, got '01'"),
        ({"majority_classes": [True, False]}, "different indices from 0 up"),
        ({"majority_classes": [2], "class_counts": [9, 1]}, "majority class 2 is out of range for 2 classes"),
        ({"majority_classes": [0], "margin": 1.0}, "margin must be at least 0 and below 1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPPELoss(**arguments)


def test_majority_class_beyond_the_logits_is_named() -> None:
    with pytest.raises(ValueError, match="majority class 7 is out of range for 5 classes"):
        GPPELoss([7])(torch.zeros(2, 5), torch.tensor([0, 1]))
