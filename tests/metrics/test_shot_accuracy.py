"""Accuracy of the many-, medium- and few-shot classes against scikit-learn's recalls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score

from metric_cases import COUNTS, PROBLEMS, every_problem, value_of
from tailwise import ClassCounts
from tailwise.metrics import ShotAccuracy, classification_report

GROUPS = {"many": [0, 1], "medium": [2, 3], "few": [4, 5]}


@every_problem
def test_it_is_the_mean_recall_of_the_classes_of_each_group(logits: Any, target: Any) -> None:
    accuracies = value_of(ShotAccuracy(COUNTS), logits, target)
    expected = {
        f"accuracy_{group}": np.mean(
            recall_score(target, logits.argmax(1), labels=[c for c in classes if c in target], average=None)
        )
        for group, classes in GROUPS.items()
    }
    assert {name: float(value) for name, value in accuracies.items()} == pytest.approx(expected, abs=1e-6)


def test_names_and_values_are_those_of_the_report() -> None:
    logits, target = PROBLEMS["long-tailed"]
    report = classification_report(logits, target, COUNTS)
    accuracies = value_of(ShotAccuracy(COUNTS), logits, target)
    assert {name: float(value) for name, value in accuracies.items()} == pytest.approx(
        {name: report[name] for name in accuracies}
    )
    assert list(accuracies) == [name for name in report if name.startswith("accuracy_")]


@pytest.mark.parametrize("group", ["many", "medium", "few"])
def test_one_group_is_one_number(group: Any) -> None:
    value = value_of(ShotAccuracy(COUNTS, group=group), *PROBLEMS["balanced"])
    assert value == value_of(ShotAccuracy(COUNTS), *PROBLEMS["balanced"])[f"accuracy_{group}"]


def test_group_without_a_class_is_left_out() -> None:
    logits = torch.eye(3)
    metric = ShotAccuracy([500, 200, 5])
    assert list(metric(logits, torch.arange(3))) == ["accuracy_many", "accuracy_few"]


def test_group_without_a_sample_is_nan() -> None:
    metric = ShotAccuracy(COUNTS)
    metric.update(torch.eye(6)[:4], torch.arange(4))
    accuracies = metric.compute()
    assert isinstance(accuracies, dict)
    assert accuracies["accuracy_many"] == 1
    assert accuracies["accuracy_few"].isnan()


def test_bounds_of_the_groups_can_be_chosen() -> None:
    logits, target = PROBLEMS["balanced"]
    accuracy = value_of(ShotAccuracy(COUNTS, group="few", many=200, few=101), logits, target)
    classes = ClassCounts(COUNTS).groups(many=200, few=101).few
    expected = recall_score(target, logits.argmax(1), labels=classes, average="macro")
    assert accuracy == pytest.approx(expected, abs=1e-6)
