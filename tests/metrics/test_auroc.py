"""Macro AUC from histograms against scikit-learn, on the scores themselves and on their bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import label_binarize

from metric_cases import CLASSES, PROBLEMS, bin_of, every_problem, random_problem, value_of
from tailwise.metrics import MacroAUROC, classification_report


@every_problem
@pytest.mark.parametrize("bins", [2, 50, 2048])
def test_it_is_that_of_scikit_learn_for_binned_log_odds(logits: Any, target: Any, bins: int) -> None:
    binned = bin_of(logits, bins)
    expected = [roc_auc_score(target == c, binned[:, c]) if c in target else np.nan for c in range(CLASSES)]
    areas = value_of(MacroAUROC(CLASSES, bins=bins, per_class=True), logits, target)
    assert areas.tolist() == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", ["balanced", "long-tailed", "ties", "perfect", "hopeless"])
def test_it_is_close_to_that_of_scikit_learn_for_the_scores(name: str) -> None:
    logits, target = PROBLEMS[name]
    one_hot = label_binarize(target, classes=range(CLASSES))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (exponentials / exponentials.sum(axis=1, keepdims=True)).round(12)
    assert value_of(MacroAUROC(CLASSES), logits, target) == pytest.approx(
        roc_auc_score(one_hot, probabilities, average="macro"), abs=5e-4
    )


@pytest.mark.parametrize("bins", [4, 30, 300])
def test_error_is_at_most_half_the_share_of_tied_pairs(bins: int) -> None:
    logits, target = random_problem(CLASSES, samples=1000)
    binned = bin_of(logits, bins)
    areas = value_of(MacroAUROC(CLASSES, bins=bins, per_class=True), logits, target)
    exact = value_of(MacroAUROC(CLASSES, bins=10**6, per_class=True), logits, target)
    for c in range(CLASSES):
        own, others = (np.bincount(binned[mask, c], minlength=bins) for mask in (target == c, target != c))
        tied = (own * others).sum() / (own.sum() * others.sum())
        assert abs(areas[c] - exact[c]) <= tied / 2 + 1e-6


def test_many_bins_give_the_area_of_the_report() -> None:
    logits, target = PROBLEMS["saturated"]
    expected = classification_report(logits, target, [1] * CLASSES)["auc"]
    assert value_of(MacroAUROC(CLASSES, bins=10**6), logits, target) == pytest.approx(expected, abs=1e-6)


def test_classes_of_two_have_the_same_area() -> None:
    logits, target = random_problem(2, samples=500)
    areas = value_of(MacroAUROC(2, bins=10**6, per_class=True), logits, target)
    assert areas[0] == areas[1]
    assert areas[1] == pytest.approx(roc_auc_score(target, logits[:, 1] - logits[:, 0]), abs=1e-4)


def test_class_with_all_samples_has_no_area() -> None:
    logits, target = random_problem(3)
    assert value_of(MacroAUROC(3, per_class=True), logits[target == 1], target[target == 1]).isnan().all()
