"""Worst-class recall against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import recall_score

from metric_cases import CLASSES, every_problem, value_of
from tailwise.metrics import WorstClassRecall


@every_problem
def test_it_is_the_smallest_recall_of_scikit_learn(logits: Any, target: Any) -> None:
    expected = recall_score(target, logits.argmax(1), labels=np.unique(target), average=None).min()
    assert value_of(WorstClassRecall(CLASSES), logits, target) == pytest.approx(expected, abs=1e-6)
