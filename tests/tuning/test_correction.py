"""A trial's correction: taken where it helps samples that did not choose it, left where it only seems to."""

from __future__ import annotations

import numpy as np
import pytest

from tailwise.counts import ClassCounts
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment
from tailwise.tuning.correction import GROUPS, TAUS, Judge, dealt, judged, standard_error

TRAIN = ClassCounts([900, 90, 10])
BALANCED = Judge("balanced_accuracy", TRAIN)


def samples(per_class: int, prior: bool, signal: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that know the class by ``signal``; with the training prior in them, or without."""
    generator = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), [10 * per_class, 3 * per_class, per_class])
    logits = generator.normal(size=(len(targets), 3)) + signal * np.eye(3)[targets]
    return logits + np.log(TRAIN.priors) * prior, targets


def test_prior_in_the_logits_is_taken_out() -> None:
    logits, targets = samples(40, prior=True)
    verdict, scores = judged(logits, targets, BALANCED, ["logit-adjustment"], TRAIN)
    assert verdict.posthoc == "logit-adjustment"
    assert 0.5 <= verdict.tau <= 1.5
    assert verdict.value == verdict.corrected == BALANCED(scores, targets) > verdict.plain + 0.2


def test_corrected_value_is_that_of_samples_that_had_no_say_in_their_own_tau() -> None:
    logits, targets = samples(12, prior=True, signal=1.0)
    verdict, scores = judged(logits, targets, BALANCED, ["logit-adjustment"], TRAIN)
    groups = dealt(targets)
    for group in range(GROUPS):
        others = groups != group
        values = [
            BALANCED(LogitAdjustment(TRAIN, tau).transform(logits[others]), targets[others]) for tau in (0, *TAUS)
        ]
        possible = [
            LogitAdjustment(TRAIN, tau).transform(logits[~others])
            for tau, value in zip((0, *TAUS), values, strict=True)
            if value == max(values)
        ]
        assert any(np.allclose(scores[~others], of_tau) for of_tau in possible)
    assert verdict.apparent is not None
    assert verdict.corrected is not None
    assert verdict.apparent >= verdict.corrected


def test_choosing_tau_on_pure_noise_flatters_and_the_cross_fitted_value_does_not() -> None:
    """No correction can help logits that know nothing: on average the metric stays a third."""
    apparent, corrected = [], []
    for seed in range(60):
        logits, targets = samples(4, prior=False, signal=0.0, seed=seed)
        verdict, _ = judged(logits, targets, BALANCED, ["logit-adjustment"], TRAIN)
        apparent.append(verdict.apparent)
        corrected.append(verdict.corrected)
    assert np.mean(apparent) > 1 / 3 + 0.04
    assert np.mean(corrected) == pytest.approx(1 / 3, abs=0.03)


def test_without_corrections_the_metric_is_that_of_the_report() -> None:
    logits, targets = samples(10, prior=True)
    report = classification_report(logits, targets, TRAIN)
    for metric in ("balanced_accuracy", "macro_f1", "auc", "ece", "accuracy_few", "recall/2"):
        verdict, scores = judged(logits, targets, Judge(metric, TRAIN), [], TRAIN)
        assert (verdict.value, verdict.plain, verdict.posthoc) == (report[metric], report[metric], None)
        assert scores is logits


def test_smaller_is_better_for_the_calibration_error() -> None:
    logits, targets = samples(20, prior=True)
    verdict, _ = judged(logits, targets, Judge("ece", TRAIN), ["logit-adjustment"], TRAIN)
    assert verdict.corrected is not None
    assert verdict.value == min(verdict.plain, verdict.corrected)


def test_groups_hold_their_share_of_every_class() -> None:
    targets = np.repeat(np.arange(4), [2, 3, 11, 50])
    groups = dealt(targets)
    for label in range(4):
        sizes = np.bincount(groups[targets == label], minlength=GROUPS)
        assert sizes.max() - sizes.min() <= 1


def test_standard_error_of_a_recall_is_the_binomial_one() -> None:
    targets = np.repeat([0, 1], [400, 100])
    predicted = np.concatenate([np.zeros(400), np.arange(100) < 80]).astype(int)
    judge = Judge("recall/1", ClassCounts([4, 1]))
    error = standard_error(np.eye(2)[predicted], targets, judge)
    assert error == pytest.approx(np.sqrt(0.8 * 0.2 / 100), rel=0.15)
