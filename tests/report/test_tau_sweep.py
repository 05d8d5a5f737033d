"""Sweeps of tau: at each strength what the library's correction gives."""

from __future__ import annotations

import numpy as np
import pytest

from tailwise.metrics import classification_report
from tailwise.posthoc import TAUS, build_posthoc
from tailwise.report.tau_sweep import SWEPT, tau_sweep

COUNTS = [300, 60, 15, 5]
RNG = np.random.default_rng(0)
TARGETS = RNG.integers(0, 4, 200)
LOGITS = RNG.normal(size=(200, 4)) + np.eye(4)[TARGETS] + np.log(COUNTS) / 2


@pytest.mark.parametrize("posthoc", SWEPT)
def test_values_are_those_of_the_report_on_corrected_logits(posthoc: str) -> None:
    found = tau_sweep(posthoc, LOGITS, TARGETS, COUNTS)
    for place, tau in enumerate(TAUS):
        report = classification_report(build_posthoc(posthoc, COUNTS, tau=tau).transform(LOGITS), TARGETS, COUNTS)
        for name, values in found.items():
            assert values[place] == pytest.approx(report[name]), (name, tau)
    assert set(found) == {"accuracy", "balanced_accuracy", "accuracy_many", "accuracy_medium", "accuracy_few"}


def test_group_without_a_class_is_left_out() -> None:
    assert "accuracy_few" not in tau_sweep("rebalance", LOGITS, TARGETS, [300, 60, 25, 25])


def test_logit_adjustment_needs_every_class_in_training() -> None:
    with pytest.raises(ValueError, match="class 3 has count 0"):
        tau_sweep("logit-adjustment", LOGITS, TARGETS, [300, 60, 15, 0])
