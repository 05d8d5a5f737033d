"""Prior-shift correction against Bayes' rule, and the estimated prior against other ways to find it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax

from posthoc.gaussians import gaussian_problem
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment, PriorShift

COUNTS = [900, 90, 10]
TRUE_PRIOR = [0.2, 0.3, 0.5]


def mean_log_likelihood_ratio(logits: Any, counts: list[int], prior: Any) -> float:
    train_prior = np.array(counts) / sum(counts)
    return float(np.log(softmax(logits, axis=1) @ (np.asarray(prior) / train_prior)).mean())


def test_known_prior_gives_the_posterior_of_bayes_rule() -> None:
    logits = np.random.default_rng(0).normal(size=(30, 3))
    corrected = softmax(PriorShift(COUNTS, TRUE_PRIOR).transform(logits), axis=1)
    for row, given in zip(corrected, logits, strict=True):
        joint = [math.exp(given[c]) / COUNTS[c] * TRUE_PRIOR[c] for c in range(3)]
        np.testing.assert_allclose(row, [share / sum(joint) for share in joint])


def test_uniform_prior_is_logit_adjustment() -> None:
    logits = torch.randn(30, 3, dtype=torch.float64)
    adjusted = LogitAdjustment(COUNTS).transform(logits).softmax(dim=1)
    torch.testing.assert_close(PriorShift(COUNTS, "uniform").transform(logits).softmax(dim=1), adjusted)


def test_training_prior_changes_nothing() -> None:
    logits = torch.randn(30, 3, dtype=torch.float64)
    torch.testing.assert_close(PriorShift(COUNTS, COUNTS).transform(logits), logits)


def test_shift_there_and_back_changes_nothing() -> None:
    logits = torch.randn(30, 3, dtype=torch.float64)
    there = PriorShift(COUNTS, [5, 3, 2]).transform(logits)
    torch.testing.assert_close(PriorShift([5, 3, 2], COUNTS).transform(there), logits)


def test_estimated_prior_is_close_to_the_true_one() -> None:
    logits, target = gaussian_problem(COUNTS, samples=20_000, test_prior=TRUE_PRIOR)
    correction = PriorShift(COUNTS).fit(logits)
    assert correction.test_prior_ is not None
    np.testing.assert_allclose(correction.test_prior_, np.bincount(target) / len(target), atol=0.02)
    np.testing.assert_allclose(correction.test_prior_.sum(), 1)


def test_estimate_without_a_shift_is_the_training_prior() -> None:
    logits, _ = gaussian_problem(COUNTS, samples=20_000, test_prior=[0.9, 0.09, 0.01])
    np.testing.assert_allclose(PriorShift(COUNTS).fit(logits).test_prior_, [0.9, 0.09, 0.01], atol=0.02)


def test_estimate_has_the_likelihood_that_a_general_optimiser_finds() -> None:
    logits, _ = gaussian_problem(COUNTS, samples=500, test_prior=TRUE_PRIOR)
    found = minimize(
        lambda free: -mean_log_likelihood_ratio(logits, COUNTS, softmax(np.append(free, 0))), [0, 0], tol=1e-12
    )
    correction = PriorShift(COUNTS, tolerance=1e-9, max_iterations=100_000).fit(logits)
    assert correction.log_likelihood_[-1] == pytest.approx(-found.fun, abs=1e-8)
    np.testing.assert_allclose(correction.test_prior_, softmax(np.append(found.x, 0)), atol=1e-3)


def test_iterations_are_those_of_the_paper() -> None:
    logits, _ = gaussian_problem(COUNTS, samples=40)
    train_prior = [0.9, 0.09, 0.01]
    prior = list(train_prior)
    for _ in range(3):
        sums = [0.0, 0.0, 0.0]
        for posterior in softmax(logits, axis=1):
            joint = [posterior[c] * prior[c] / train_prior[c] for c in range(3)]
            sums = [total + share / sum(joint) for total, share in zip(sums, joint, strict=True)]
        prior = [total / len(logits) for total in sums]
    with pytest.warns(RuntimeWarning, match="not converged in 3 iterations.*raise max_iterations or tolerance"):
        correction = PriorShift(COUNTS, max_iterations=3).fit(logits)
    np.testing.assert_allclose(correction.test_prior_, prior)


def test_likelihood_starts_at_the_training_prior_never_falls_and_ends_at_its_own() -> None:
    logits, _ = gaussian_problem(COUNTS, test_prior=TRUE_PRIOR)
    correction = PriorShift(COUNTS).fit(logits)
    course = np.array(correction.log_likelihood_)
    assert course[0] == pytest.approx(0, abs=1e-12)
    assert len(course) > 5
    assert (np.diff(course) >= -1e-12).all()
    assert course[-1] == pytest.approx(mean_log_likelihood_ratio(logits, COUNTS, correction.test_prior_))


def test_no_prior_is_better_by_more_than_the_tolerance() -> None:
    logits, _ = gaussian_problem(COUNTS, samples=1000, test_prior=TRUE_PRIOR)
    reached = PriorShift(COUNTS, tolerance=1e-3).fit(logits).log_likelihood_[-1]
    others = np.random.default_rng(0).dirichlet([1, 1, 1], size=2000)
    best = max(mean_log_likelihood_ratio(logits, COUNTS, prior) for prior in others)
    assert best - 1e-3 <= reached <= best + 1e-3


def test_permuting_the_classes_permutes_the_estimate() -> None:
    logits, _ = gaussian_problem(COUNTS, test_prior=TRUE_PRIOR)
    order = [2, 0, 1]
    estimate = PriorShift(COUNTS).fit(logits).test_prior_
    permuted = PriorShift([COUNTS[c] for c in order]).fit(logits[:, order]).test_prior_
    assert estimate is not None
    assert permuted is not None
    torch.testing.assert_close(permuted, estimate[order], rtol=1e-6, atol=1e-9)


def test_class_that_is_missing_from_the_test_set_gets_next_to_no_prior() -> None:
    logits = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.45, 0.05]])
    correction = PriorShift([1, 1, 1], tolerance=1e-12, max_iterations=10_000).fit(logits)
    assert correction.test_prior_ is not None
    assert correction.test_prior_[2] < 1e-9
    assert np.isfinite(correction.transform(logits)).all()


def test_estimate_that_reaches_zero_stays_finite() -> None:
    logits = np.array([[0.0, -1e6], [0.0, -1e6]])
    correction = PriorShift([1, 1]).fit(logits)
    np.testing.assert_array_equal(correction.test_prior_, [1, 0])
    corrected = correction.transform(np.array([[0.0, 5.0]]))
    assert np.isfinite(corrected).all()
    np.testing.assert_array_equal(softmax(corrected, axis=1), [[1, 0]])


def test_class_with_test_prior_zero_is_never_predicted() -> None:
    logits = np.array([[0.0, 1.0, 800.0], [-3.0, -800.0, 800.0]])
    corrected = PriorShift([1, 1, 1], [1, 1, 0]).transform(logits)
    assert np.isfinite(corrected).all()
    assert corrected.argmax(axis=1).tolist() == [1, 0]
    assert softmax(corrected, axis=1)[:, 2].tolist() == [0, 0]


@pytest.mark.parametrize("test_prior", ["uniform", None])
def test_balanced_accuracy_on_a_balanced_test_set_rises_to_that_of_the_best_classifier(test_prior: Any) -> None:
    logits, target = gaussian_problem(COUNTS)
    best, _ = gaussian_problem([1, 1, 1])
    correction = PriorShift(COUNTS, test_prior)
    if test_prior is None:
        correction.fit(logits)
    before, after, bound = (
        classification_report(z, target, COUNTS)["balanced_accuracy"]
        for z in (logits, correction.transform(logits), best)
    )
    assert after > before + 0.1
    assert after == pytest.approx(bound, abs=0.01)


def test_accuracy_rises_where_the_test_set_has_other_frequencies() -> None:
    logits, target = gaussian_problem(COUNTS, test_prior=[0.05, 0.15, 0.8])
    for correction in (PriorShift(COUNTS, [0.05, 0.15, 0.8]), PriorShift(COUNTS).fit(logits)):
        hits = correction.transform(logits).argmax(axis=1) == target
        assert hits.mean() > (logits.argmax(axis=1) == target).mean() + 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PriorShift([3, 0]), "class 1 has count 0, so its log prior is infinite"),
        (lambda: PriorShift([3, 2], "equal"), "\"uniform\" or 2 finite frequencies .* got 'equal'"),
        (lambda: PriorShift([3, 2], [1, 1, 1]), "class_counts has 2 classes, got"),
        (lambda: PriorShift([3, 2], [0.5, -0.5]), "from 0 up"),
        (lambda: PriorShift([3, 2], [0, 0]), "not all of them 0"),
        (lambda: PriorShift([3, 2], [1, math.inf]), "finite frequencies"),
        (lambda: PriorShift([3, 2], [1, math.nan]), "finite frequencies"),
        (lambda: PriorShift([3, 2], max_iterations=0), "max_iterations must be a whole number from 1 up, got 0"),
        (lambda: PriorShift([3, 2], tolerance=0), "tolerance must be above 0, got 0"),
        (lambda: PriorShift([3, 2]).transform(np.zeros((1, 2))), "test prior is unknown; give test_prior, or call fit"),
        (lambda: PriorShift([3, 2], "uniform").fit(np.zeros((1, 2))), "test_prior is given, so there is nothing to es"),
        (lambda: PriorShift([3, 2]).fit(np.zeros((1, 3))), "logits have 3 classes but class_counts has 2"),
        (lambda: PriorShift([3, 2]).fit(np.zeros((0, 2))), "cannot be estimated from 0 samples"),
        (lambda: PriorShift([3, 2], "uniform").transform(np.zeros((1, 3))), "logits have 3 classes but class_counts"),
        (lambda: PriorShift([3, 2]).fit(np.array([[np.nan, 0.0]])), "logits must be finite"),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
