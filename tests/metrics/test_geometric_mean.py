"""G-mean against imbalanced-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score

from metric_cases import CLASSES, every_problem, random_problem, value_of
from tailwise.metrics import GeometricMean


@every_problem
def test_it_is_that_of_imbalanced_learn_over_the_classes_of_the_data(logits: Any, target: Any) -> None:
    expected = geometric_mean_score(target, logits.argmax(1), labels=np.unique(target))
    assert value_of(GeometricMean(CLASSES), logits, target) == pytest.approx(expected, abs=1e-6)


def test_it_is_the_root_of_sensitivity_times_specificity_for_two_classes() -> None:
    logits, target = random_problem(2, samples=500)
    predicted = logits.argmax(1)
    sensitivity, specificity = (predicted[target == 1] == 1).mean(), (predicted[target == 0] == 0).mean()
    assert value_of(GeometricMean(2), logits, target) == pytest.approx(np.sqrt(sensitivity * specificity), abs=1e-6)


def test_it_is_zero_when_a_class_is_never_found() -> None:
    target = np.array([0, 1, 2, 2])
    assert value_of(GeometricMean(3), np.eye(3)[[0, 0, 2, 2]], target) == 0
