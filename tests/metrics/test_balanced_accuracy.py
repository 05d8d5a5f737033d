"""Balanced accuracy against scikit-learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from metric_cases import CLASSES, every_problem, random_problem, value_of
from tailwise.metrics import BalancedAccuracy


@every_problem
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_it_is_that_of_scikit_learn(logits: Any, target: Any) -> None:
    expected = balanced_accuracy_score(target, logits.argmax(1))
    assert value_of(BalancedAccuracy(CLASSES), logits, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 130])
def test_it_takes_any_number_of_classes(classes: int) -> None:
    logits, target = random_problem(classes, samples=1000)
    expected = balanced_accuracy_score(target, logits.argmax(1))
    assert value_of(BalancedAccuracy(classes), logits, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_predicted_classes_of_any_integer_type_give_what_their_scores_give(dtype: torch.dtype) -> None:
    logits, target = random_problem(CLASSES)
    metric = BalancedAccuracy(CLASSES)
    metric.update(torch.tensor(logits).argmax(dim=1).to(dtype), torch.tensor(target).to(dtype))
    assert metric.compute() == value_of(BalancedAccuracy(CLASSES), logits, target)


def test_probabilities_give_what_their_logits_give() -> None:
    logits, target = random_problem(CLASSES)
    probabilities = torch.tensor(logits).softmax(dim=1).numpy()
    expected = value_of(BalancedAccuracy(CLASSES), logits, target)
    assert value_of(BalancedAccuracy(CLASSES), probabilities, target) == expected


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        ([0, 6], "preds must lie from 0 to 5, got 6 in row 1"),
        ([-1, 0], "preds must lie from 0 to 5, got -1 in row 0"),
        ([0.2, 0.8], r"or \(N,\) predicted classes, got torch.float32 of shape \(2,\); give two classes a column each"),
    ],
)
def test_wrong_predicted_classes_are_named(predicted: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BalancedAccuracy(CLASSES).update(torch.tensor(predicted), torch.tensor([0, 1]))


def test_more_predictions_than_targets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"target must be 3 class indices, got torch.int64 of shape \(2,\)"):
        BalancedAccuracy(CLASSES).update(torch.tensor([0, 1, 2]), torch.tensor([0, 1]))
