"""Class thresholds against brute force with scikit-learn's metrics, and what theory says of the best ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef, recall_score

from posthoc.gaussians import gaussian_problem
from tailwise.metrics import classification_report
from tailwise.posthoc import ClassThresholds, LogitAdjustment

METRICS: dict[str, Any] = {
    "f1": lambda actual, predicted: f1_score(actual, predicted, zero_division=0),
    "balanced_accuracy": balanced_accuracy_score,
    "g_mean": lambda actual, predicted: np.sqrt(np.prod(recall_score(actual, predicted, average=None))),
    "mcc": matthews_corrcoef,
}
every_metric = pytest.mark.parametrize("metric", METRICS)


def best_of_all_thresholds(positive: Any, p: Any, metric: str) -> float:
    thresholds = [-1.0, *np.unique(p)]
    return float(max(METRICS[metric](positive, p > threshold) for threshold in thresholds))


def small_problem(seed: int, num_classes: int) -> tuple[Any, Any]:
    """Thirty samples, many of them with the same logits."""
    generator = np.random.default_rng(seed)
    target = np.concatenate([np.arange(num_classes), generator.integers(0, num_classes, 30 - num_classes)])
    return np.round(generator.normal(size=(30, num_classes)) + np.eye(num_classes)[target], 0), target


@every_metric
@pytest.mark.parametrize("seed", range(8))
def test_prediction_of_two_classes_has_the_best_metric_of_all_thresholds(metric: Any, seed: int) -> None:
    logits, target = small_problem(seed, 2)
    predicted = ClassThresholds(metric).fit(logits, target).transform(logits).argmax(axis=1)
    best = best_of_all_thresholds(target, softmax(logits, axis=1)[:, 1], metric)
    assert METRICS[metric](target, predicted) == pytest.approx(best)


@every_metric
@pytest.mark.parametrize("seed", range(4))
def test_each_class_has_the_best_threshold_against_the_rest(metric: Any, seed: int) -> None:
    logits, target = small_problem(seed, 4)
    p = softmax(logits, axis=1)
    thresholds = ClassThresholds(metric).fit(logits, target).thresholds_.numpy()
    for c in range(4):
        best = best_of_all_thresholds(target == c, p[:, c], metric)
        assert METRICS[metric](target == c, p[:, c] > thresholds[c]) == pytest.approx(best)


def test_prediction_is_the_largest_multiple_of_a_threshold() -> None:
    logits, target = small_problem(0, 4)
    correction = ClassThresholds().fit(logits, target)
    fresh = np.random.default_rng(1).normal(size=(500, 4))
    multiples = softmax(fresh, axis=1) / correction.thresholds_.numpy()
    predicted = correction.transform(fresh).argmax(axis=1)
    np.testing.assert_array_equal(predicted, multiples.argmax(axis=1))
    alone = (multiples > 1).sum(axis=1) == 1
    assert alone.sum() > 50
    assert (multiples[alone, predicted[alone]] > 1).all()


def test_two_classes_have_thresholds_that_sum_to_one_and_part_them_there() -> None:
    logits, target = small_problem(3, 2)
    correction = ClassThresholds().fit(logits, target)
    np.testing.assert_allclose(correction.thresholds_.sum(), 1)
    fresh = np.random.default_rng(1).normal(size=(500, 2))
    above = softmax(fresh, axis=1)[:, 1] > correction.thresholds_[1].item()
    np.testing.assert_array_equal(correction.transform(fresh).argmax(axis=1), above)


def test_one_logit_is_above_zero_where_its_sigmoid_is_above_the_threshold() -> None:
    logits, target = small_problem(3, 2)
    two, one = (ClassThresholds().fit(z, target) for z in (logits, logits[:, 1:] - logits[:, :1]))
    np.testing.assert_allclose(one.thresholds_, two.thresholds_)
    fresh = np.random.default_rng(1).normal(size=(500, 1))
    corrected = one.transform(fresh)
    assert corrected.shape == (500, 1)
    np.testing.assert_array_equal(corrected > 0, expit(fresh) > one.thresholds_[1].item())


def test_threshold_lies_midway_in_log_odds() -> None:
    log_odds, target = np.array([[-3.0], [-1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    assert ClassThresholds().fit(log_odds, target).thresholds_[1].item() == pytest.approx(expit(0.5))


def test_highest_of_equally_good_thresholds_is_taken() -> None:
    log_odds, target = np.array([[3.0], [2.0], [1.0], [0.0]]), np.array([1, 0, 0, 1])
    f1_of_cuts = [2 / 3, 1 / 2, 2 / 5, 2 / 3]
    assert [f1_score(target, log_odds[:, 0] > cut) for cut in (2.5, 1.5, 0.5, -0.5)] == pytest.approx(f1_of_cuts)
    assert ClassThresholds().fit(log_odds, target).thresholds_[1].item() == pytest.approx(expit(2.5))


@pytest.mark.parametrize(("metric", "cut"), [("f1", -1.0), ("balanced_accuracy", 1.0)])
def test_threshold_beyond_all_samples_is_one_away(metric: Any, cut: float) -> None:
    target = np.array([1, 1, 0])  # the scores tell nothing: F1 wants all of them positive, the others none
    assert ClassThresholds(metric).fit(np.zeros((3, 1)), target).thresholds_[1].item() == pytest.approx(expit(cut))


def test_samples_whose_softmax_is_one_are_told_apart() -> None:
    logits, target = np.array([[0.0, 60.0], [0.0, 70.0], [0.0, 80.0]]), np.array([0, 1, 1])
    assert len(np.unique(softmax(logits, axis=1)[:, 1])) == 1
    assert ClassThresholds().fit(logits, target).transform(logits).argmax(axis=1).tolist() == [0, 1, 1]


def test_neighbouring_numbers_are_told_apart() -> None:
    log_odds = np.array([[1.0], [np.nextafter(1.0, 2)]])
    assert (ClassThresholds().fit(log_odds, np.array([0, 1])).transform(log_odds) > 0).tolist() == [[False], [True]]


def test_f1_of_fresh_samples_rises_and_its_threshold_is_half_of_it() -> None:
    prior = [0.95, 0.05]
    validation, labels = gaussian_problem([95, 5], samples=100_000, seed=1, test_prior=prior)
    logits, target = gaussian_problem([95, 5], samples=100_000, seed=2, test_prior=prior)
    correction = ClassThresholds("f1").fit(validation, labels)
    before, after = (f1_score(target, z.argmax(axis=1)) for z in (logits, correction.transform(logits)))
    assert after > before + 0.05
    assert correction.thresholds_[1].item() == pytest.approx(after / 2, abs=0.03)


def test_thresholds_for_balanced_accuracy_are_the_prior_and_as_good_as_logit_adjustment() -> None:
    counts, prior = [900, 90, 10], [0.9, 0.09, 0.01]
    validation, labels = gaussian_problem(counts, samples=200_000, seed=1, test_prior=prior)
    logits, target = gaussian_problem(counts)
    correction = ClassThresholds("balanced_accuracy").fit(validation, labels)
    np.testing.assert_allclose(correction.thresholds_, prior, rtol=0.2)
    before, after, adjusted = (
        classification_report(z, target, counts)["balanced_accuracy"]
        for z in (logits, correction.transform(logits), LogitAdjustment(counts).transform(logits))
    )
    assert after > before + 0.1
    assert after == pytest.approx(adjusted, abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassThresholds("accuracy"), 'metric must be "f1", "balanced_accuracy", "g_mean" or "mcc", got'),
        (
            lambda: ClassThresholds().fit(np.zeros((2, 3)), np.array([0, 2])),
            "class 1 has no validation sample, .*hold",
        ),
        (lambda: ClassThresholds().fit(np.zeros((2, 1)), np.array([1, 1])), "class 0 has no validation sample"),
        (lambda: ClassThresholds().transform(np.zeros((1, 2))), "the thresholds are unknown; call fit"),
        (lambda: ClassThresholds().thresholds_, "the thresholds are unknown; call fit"),
        (
            lambda: ClassThresholds().fit(np.eye(3), np.arange(3)).transform(np.zeros((1, 2))),
            "logits have 2 classes but the validation set has 3",
        ),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("level", "step"), [(10.0, 1e-7), (1e39, 1e39)])
def test_cut_falls_between_scores_that_float32_cannot_tell_apart(level: float, step: float) -> None:
    odds = level + step * torch.arange(4, dtype=torch.float64)
    logits = torch.stack([torch.zeros(4, dtype=torch.float64), odds], dim=1)
    thresholds = ClassThresholds("balanced_accuracy").fit(logits, torch.tensor([0, 0, 1, 1]))
    assert thresholds.thresholds_.dtype == torch.float64
    assert thresholds.transform(logits).argmax(dim=1).tolist() == [0, 0, 1, 1]
