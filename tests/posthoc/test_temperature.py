"""Temperature scaling against a general optimiser, and what theory says of its minimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from posthoc.gaussians import gaussian_problem
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment, TemperatureScaling

COUNTS = [900, 90, 10]


def negative_log_likelihood(logits: Any, target: Any) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(target)), target].mean())


def fitted(logits: Any, target: Any) -> float:
    temperature = TemperatureScaling().fit(logits, target).temperature_
    assert temperature is not None
    return temperature


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1e-3, 0.3, 1.0, 40.0])
def test_temperature_is_the_one_that_a_general_optimiser_finds(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 5, 200)
    logits = scale * (generator.normal(size=(200, 5)) + 1.5 * np.eye(5)[target])
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(logits / np.exp(log_t), target),
        bounds=(np.log(scale) - 5, np.log(scale) + 5),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fitted(logits, target) == pytest.approx(np.exp(found.x), rel=1e-5)


def test_at_the_temperature_the_expected_logit_is_the_targets_mean_logit() -> None:
    logits, target = gaussian_problem(COUNTS, samples=500)
    p = softmax(logits / fitted(logits, target), axis=1)
    expected = (p * logits).sum(axis=1).mean()
    assert expected == pytest.approx(logits[np.arange(500), target].mean(), rel=1e-10)


def test_logits_times_a_factor_have_a_temperature_times_that_factor() -> None:
    logits, target = gaussian_problem(COUNTS, samples=500)
    assert fitted(1e6 * logits, target) == pytest.approx(1e6 * fitted(logits, target), rel=1e-9)


def test_shift_of_a_samples_logits_makes_no_difference() -> None:
    logits, target = gaussian_problem(COUNTS, samples=500)
    assert fitted(logits + 50 * target[:, None], target) == pytest.approx(fitted(logits, target), rel=1e-9)


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 3.0])
def test_likelihood_and_calibration_of_fresh_samples_come_back(sharpness: float) -> None:
    prior = [0.9, 0.09, 0.01]
    validation, labels = gaussian_problem(COUNTS, samples=20_000, seed=1, test_prior=prior)
    posterior, target = gaussian_problem(COUNTS, samples=20_000, seed=2, test_prior=prior)
    correction = TemperatureScaling().fit(sharpness * validation, labels)
    assert correction.temperature_ == pytest.approx(sharpness, rel=0.05)
    given = sharpness * posterior
    corrected = correction.transform(given)
    best = negative_log_likelihood(posterior, target)
    assert negative_log_likelihood(corrected, target) == pytest.approx(best, abs=1e-3)
    if sharpness != 1:
        assert negative_log_likelihood(given, target) > best + 0.01
        errors = [classification_report(z, target, COUNTS)["ece"] for z in (given, corrected)]
        assert errors[1] < errors[0]


def test_predictions_stay_the_same() -> None:
    logits, target = gaussian_problem(COUNTS)
    corrected = TemperatureScaling().fit(logits, target).transform(logits)
    np.testing.assert_array_equal(corrected.argmax(axis=1), logits.argmax(axis=1))


def test_logit_adjustment_of_an_overconfident_classifier_needs_the_temperature_first() -> None:
    validation, labels = gaussian_problem(COUNTS, samples=20_000, seed=1, test_prior=[0.9, 0.09, 0.01])
    logits, target = gaussian_problem(COUNTS, seed=2)
    cooled = TemperatureScaling().fit(4 * validation, labels).transform(4 * logits)
    alone, after = (
        classification_report(LogitAdjustment(COUNTS).transform(z), target, COUNTS)["balanced_accuracy"]
        for z in (4 * logits, cooled)
    )
    assert after > alone + 0.05


def test_one_logit_is_the_log_odds_of_two() -> None:
    logits, target = gaussian_problem([9, 1], samples=500)
    one = logits[:, 1:] - logits[:, :1]
    correction = TemperatureScaling().fit(one, target)
    assert correction.temperature_ == pytest.approx(fitted(logits, target), rel=1e-9)
    np.testing.assert_allclose(correction.transform(one), one / correction.temperature_)


def test_numpy_and_torch_give_the_same_temperature() -> None:
    logits, target = gaussian_problem(COUNTS, samples=500)
    assert fitted(torch.tensor(logits, requires_grad=True), torch.tensor(target)) == fitted(logits, target)


def test_one_sample_that_is_hardly_wrong_keeps_the_temperature_above_zero() -> None:
    logits, target = np.array([[5.0, 0.0], [0.0, 5.0], [1e-6, 0.0]]), np.array([0, 1, 1])
    temperature = fitted(logits, target)
    slope = [(softmax(logits / temperature, axis=1) * logits).sum(axis=1) - logits[[0, 1, 2], target]]
    assert 0 < temperature < 1
    assert np.mean(slope) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: TemperatureScaling().fit(np.eye(3), np.arange(3)),
            "the largest logit is the target's in all of the 3 validation samples, .* hold out more samples",
        ),
        (
            lambda: TemperatureScaling().fit(-np.eye(3), np.arange(3)),
            "the logits of the 3 validation samples tell no more of their targets than equal probabilities",
        ),
        (lambda: TemperatureScaling().fit(np.zeros((3, 3)), np.arange(3)), "tell no more of their targets"),
        (lambda: TemperatureScaling().transform(np.zeros((1, 2))), "the temperature is unknown; call fit with valid"),
        (lambda: TemperatureScaling().fit(np.zeros((0, 2)), np.zeros(0, int)), "at least one, got shapes"),
        (lambda: TemperatureScaling().fit(np.zeros((2, 2)), np.zeros(3, int)), r"\(2, 2\) and \(3,\)"),
        (lambda: TemperatureScaling().fit(np.zeros((1, 2)), np.array([2])), "target 2 is out of range for 2 classes"),
        (lambda: TemperatureScaling().fit(np.zeros((1, 1)), np.array([2])), "target 2 is out of range for 2 classes"),
        (lambda: TemperatureScaling().fit(np.zeros((1, 2)), np.array([0.5])), "targets must be integer labels"),
        (lambda: TemperatureScaling().fit(np.array([[np.inf, 0]]), np.array([0])), "logits must be finite"),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
