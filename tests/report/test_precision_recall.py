"""Precision-recall curves against scikit-learn and naive counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from tailwise.log_odds import log_odds
from tailwise.metrics import classification_report
from tailwise.report.precision_recall import RECALLS, precision_recall

RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, 4, 120)
LOGITS = np.round(RNG.normal(size=(120, 5)) + np.eye(5)[TARGETS], 1)  # rounded: with ties; class 4 has no sample
SCORES = log_odds(torch.from_numpy(LOGITS)).numpy()


def test_average_precisions_are_scikit_learns() -> None:
    found = precision_recall(LOGITS, TARGETS)
    for index in range(4):
        assert found.class_averages[index] == pytest.approx(average_precision_score(index == TARGETS, SCORES[:, index]))
    assert found.micro_average == pytest.approx(
        average_precision_score(np.eye(5)[TARGETS].reshape(-1), SCORES.reshape(-1))
    )


def test_mean_over_the_classes_is_the_ap_of_the_report() -> None:
    report = classification_report(LOGITS, TARGETS, [9, 8, 7, 6, 5])
    assert precision_recall(LOGITS, TARGETS).macro_average == pytest.approx(report["ap"])


def test_precision_is_that_of_the_highest_threshold_that_reaches_the_recall() -> None:
    own = TARGETS == 2
    naive = []
    for recall in RECALLS:
        for threshold in sorted(set(SCORES[own, 2]), reverse=True):
            called = SCORES[:, 2] >= threshold
            if (called & own).sum() / own.sum() >= recall - 1e-9:
                naive.append((called & own).sum() / called.sum())
                break
    assert precision_recall(LOGITS, TARGETS).classes[2] == pytest.approx(np.array(naive))


def test_class_without_a_test_sample_has_no_curve_and_no_say_in_the_mean() -> None:
    found = precision_recall(LOGITS, TARGETS)
    assert np.isnan(found.classes[4]).all()
    assert np.isnan(found.class_averages[4])
    assert found.macro == pytest.approx(found.classes[:4].mean(axis=0))
