"""Losses of yes-or-no decisions: multi-label targets, single labels, one logit; golden cases; gathered state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from conftest import golden
from golden_check import assert_matches_golden
from tailwise.losses import EqualizedFocalLoss, MultiLabelAsymmetricLoss
from tailwise.losses._one_vs_rest import OneVsRestLoss

LOGITS = torch.tensor([[1.5, -0.5, 0.2], [-1.0, 2.0, 0.7]], dtype=torch.float64)


def losses(**options: Any) -> list[OneVsRestLoss]:
    return [MultiLabelAsymmetricLoss(**options), EqualizedFocalLoss(3, **options).eval()]


@pytest.mark.parametrize("case", golden("asl_multi_label"))
def test_asymmetric_loss_matches_golden(case: dict[str, Any]) -> None:
    params = dict(case["params"])
    params["detach_weight"] = not params.pop("weight_gradient")
    assert_matches_golden(MultiLabelAsymmetricLoss(**params), case)


def test_without_exponents_and_margin_it_is_binary_cross_entropy() -> None:
    target = torch.tensor([[1, 1, 0], [0, 0, 1]])
    expected = F.binary_cross_entropy_with_logits(LOGITS, target.double(), reduction="sum") / 2
    loss = MultiLabelAsymmetricLoss(gamma_pos=0, gamma_neg=0, margin=0)
    for given in (target, target.bool(), target.double()):
        torch.testing.assert_close(loss(LOGITS, given), expected)


def test_class_index_is_the_only_class() -> None:
    for loss in losses():
        torch.testing.assert_close(
            loss(LOGITS, torch.tensor([2, 0])), loss(LOGITS, torch.tensor([[0, 0, 1], [1, 0, 0]]))
        )


def test_one_logit_takes_any_shape_of_its_target() -> None:
    logits, target = LOGITS[:, 0], torch.tensor([1, 0])
    for loss in (MultiLabelAsymmetricLoss(), EqualizedFocalLoss(1)):
        expected = loss.eval()(logits.unsqueeze(1), target.unsqueeze(1))
        for given in (logits, logits.unsqueeze(1)):
            for labels in (target, target.double(), target.unsqueeze(1)):
                torch.testing.assert_close(loss(given, labels), expected)


def test_ignored_samples_of_a_multi_label_target_count_for_nothing() -> None:
    target = torch.tensor([[1, 1, 0], [-1, -1, -1]])
    for loss in losses(ignore_index=-1):
        torch.testing.assert_close(loss(LOGITS, target), loss(LOGITS[:1], target[:1]))


def test_ignored_entries_count_for_nothing_and_are_not_gathered() -> None:
    target = torch.tensor([[1, -1, 0], [0, 1, -1]])
    for loss in (MultiLabelAsymmetricLoss(ignore_index=-1), EqualizedFocalLoss(3, ignore_index=-1)):
        logits = LOGITS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, target), logits)
        assert ((gradient == 0) == (target == -1)).all()
    assert isinstance(loss, EqualizedFocalLoss)
    assert loss.positive_gradient[2] == 0
    assert loss.negative_gradient[1] == 0
    assert loss.negative_gradient[2] == torch.sigmoid(LOGITS[0, 2])


def test_probabilities_to_predict_with_are_shares_of_the_sigmoids() -> None:
    p = torch.sigmoid(LOGITS)
    for loss in losses():
        torch.testing.assert_close(loss.inference_logits(LOGITS).softmax(dim=1), p / p.sum(dim=1, keepdim=True))


def test_weight_multiplies_the_terms_of_a_class() -> None:
    target = torch.tensor([[1, 1, 0], [0, 0, 1]])
    for plain, weighted in zip(losses(reduction="sum"), losses(reduction="sum", weight=[2.0, 0.0, 1.0]), strict=True):
        logits = LOGITS.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(plain(logits, target), logits)
        (scaled,) = torch.autograd.grad(weighted(logits, target), logits)
        torch.testing.assert_close(scaled, gradient * torch.tensor([2.0, 0.0, 1.0]))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.tensor([[1, 2, 0], [0, 0, 1]]), "0, 1 or a probability between, got 2"),
        (torch.zeros(2, 4), r"target must have the shape of the logits, \(2, 3\), or be 2 class indices"),
        (torch.tensor([True, False]), "or be 2 class indices, got torch.bool"),
    ],
)
def test_wrong_targets_are_named(target: torch.Tensor, message: str) -> None:
    for loss in losses():
        with pytest.raises(ValueError, match=message):
            loss(LOGITS, target)


def test_exponents_follow_the_gradients_that_classes_have_received() -> None:
    loss = EqualizedFocalLoss(3)
    assert loss.exponents().tolist() == [2.0, 2.0, 2.0]
    target = torch.tensor([[1, 0, 0], [1, 0, 1]])
    loss(LOGITS, target)
    p = torch.sigmoid(LOGITS)
    positive = [(1 - p[0, 0]) + (1 - p[1, 0]), 0.0, 1 - p[1, 2]]
    negative = [0.0, p[0, 1] + p[1, 1], p[0, 2]]
    torch.testing.assert_close(loss.positive_gradient, torch.tensor(positive, dtype=torch.float64))
    torch.testing.assert_close(loss.negative_gradient, torch.tensor(negative, dtype=torch.float64))
    expected = [2.0, 10.0, 2 + 8 * (1 - min(1.0, float(positive[2] / negative[2])))]
    torch.testing.assert_close(loss.exponents(), torch.tensor(expected, dtype=torch.float64))
    before = loss.positive_gradient.clone()
    loss.eval()(LOGITS, target)
    assert torch.equal(loss.positive_gradient, before)
    assert loss.to(torch.bfloat16).positive_gradient.dtype == torch.float64


def test_classes_must_be_known_and_agree() -> None:
    with pytest.raises(ValueError, match="must know the number of classes"):
        EqualizedFocalLoss()
    with pytest.raises(ValueError, match="num_classes is 3 but class_counts has 2"):
        EqualizedFocalLoss(3, [1, 2])
