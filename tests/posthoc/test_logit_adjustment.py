"""Logit adjustment against the classifier that Bayes' rule gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from posthoc.gaussians import gaussian_problem
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment


def test_logit_adjustment_turns_the_training_posterior_into_the_balanced_one() -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts)
    corrected = LogitAdjustment(counts).transform(logits)
    balanced, _ = gaussian_problem([1, 1, 1])
    difference = corrected - balanced
    np.testing.assert_allclose(difference - difference[:, :1], np.zeros_like(difference), atol=1e-9)
    before, after = (classification_report(z, target, counts)["balanced_accuracy"] for z in (logits, corrected))
    assert after > before + 0.1


def test_logit_adjustment_of_an_already_balanced_classifier_hurts() -> None:
    counts = [900, 90, 10]
    balanced, target = gaussian_problem([1, 1, 1])
    again = LogitAdjustment(counts).transform(balanced)
    before, after = (classification_report(z, target, counts)["balanced_accuracy"] for z in (balanced, again))
    assert after < before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogitAdjustment([3, 0]), "class 1 has count 0"),
        (lambda: LogitAdjustment([3, 2], tau=float("nan")), "tau must be a finite number, got nan"),
        (lambda: LogitAdjustment([3, 2]).transform(np.zeros((1, 3))), "logits have 3 classes but class_counts has 2"),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
