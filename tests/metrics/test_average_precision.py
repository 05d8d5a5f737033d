"""Macro AP from histograms against scikit-learn, on the scores themselves and on their bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import label_binarize

from metric_cases import CLASSES, PROBLEMS, bin_of, every_problem, random_problem, value_of
from tailwise.metrics import MacroAveragePrecision, classification_report


@every_problem
@pytest.mark.parametrize("bins", [2, 50, 2048])
def test_it_is_that_of_scikit_learn_for_binned_log_odds(logits: Any, target: Any, bins: int) -> None:
    binned = bin_of(logits, bins)
    expected = [average_precision_score(target == c, binned[:, c]) if c in target else np.nan for c in range(CLASSES)]
    precisions = value_of(MacroAveragePrecision(CLASSES, bins=bins, per_class=True), logits, target)
    assert precisions.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", ["balanced", "long-tailed", "ties", "perfect", "hopeless"])
def test_it_is_close_to_that_of_scikit_learn_for_the_scores(name: str) -> None:
    logits, target = PROBLEMS[name]
    one_hot = label_binarize(target, classes=range(CLASSES))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (exponentials / exponentials.sum(axis=1, keepdims=True)).round(12)
    assert value_of(MacroAveragePrecision(CLASSES), logits, target) == pytest.approx(
        average_precision_score(one_hot, probabilities, average="macro"), abs=5e-3
    )


def test_many_bins_give_that_of_the_report() -> None:
    logits, target = PROBLEMS["saturated"]
    expected = classification_report(logits, target, [1] * CLASSES)["ap"]
    assert value_of(MacroAveragePrecision(CLASSES, bins=10**6), logits, target) == pytest.approx(expected, abs=1e-6)


def test_last_value_of_two_classes_is_that_of_the_positive_one() -> None:
    logits, target = random_problem(2, samples=500)
    precisions = value_of(MacroAveragePrecision(2, bins=10**6, per_class=True), logits, target)
    expected = average_precision_score(target, logits[:, 1] - logits[:, 0])
    assert precisions[1] == pytest.approx(expected, abs=1e-4)


def test_class_with_all_samples_has_no_average_precision() -> None:
    logits, target = random_problem(3)
    values = value_of(MacroAveragePrecision(3, per_class=True), logits[target == 1], target[target == 1])
    assert values.isnan().all()
