"""Post-hoc corrections against golden cases and what theory promises of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from conftest import golden
from tailwise.metrics import classification_report
from tailwise.posthoc import (
    LogitAdjustment,
    PosthocCorrection,
    PredictionRebalancing,
    TauNormalization,
    build_posthoc,
    search_tau,
)


@pytest.mark.parametrize("case", golden("prediction_rebalancing"))
def test_rebalancing_matches_golden(case: dict[str, Any]) -> None:
    logits = torch.tensor(case["logits"], dtype=torch.float64)
    correction = PredictionRebalancing(**case["params"])
    expected = torch.tensor(case["scores"], dtype=torch.float64)
    torch.testing.assert_close(correction.scores(logits), expected, rtol=1e-9, atol=1e-12)
    assert correction.transform(logits).argmax(dim=1).tolist() == case["prediction"]


def gaussian_problem(counts: list[int], samples: int = 4000, seed: int = 0) -> tuple[Any, Any]:
    """A balanced test set, and the exact training posterior log P(y | x) of a training set with ``counts``."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, len(counts), samples)
    positions = target + 0.7 * generator.normal(size=samples)
    log_likelihood = -((positions[:, None] - np.arange(len(counts))) ** 2) / (2 * 0.7**2)
    return log_likelihood + np.log(np.array(counts) / sum(counts)), target


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


def test_rebalancing_recovers_a_balanced_test_set_from_a_biased_classifier() -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts)
    after = classification_report(PredictionRebalancing().transform(logits), target, counts)["balanced_accuracy"]
    assert after > classification_report(logits, target, counts)["balanced_accuracy"] + 0.05


def test_rebalancing_with_tau_one_gives_every_class_the_same_share() -> None:
    logits, _ = gaussian_problem([900, 90, 10])
    np.testing.assert_allclose(PredictionRebalancing().scores(logits).sum(axis=0), np.ones(3))


def test_rebalancing_depends_on_the_other_samples() -> None:
    logits, _ = gaussian_problem([900, 90, 10])
    correction = PredictionRebalancing()
    assert not np.allclose(correction.transform(logits)[:5], correction.transform(logits[:5]))


def test_sample_weights_count_samples_several_times() -> None:
    logits, _ = gaussian_problem([900, 90, 10], samples=30)
    times = np.arange(30) % 3 + 1
    repeated = PredictionRebalancing(1.5).transform(np.repeat(logits, times, axis=0))
    weighted = PredictionRebalancing(1.5).transform(logits, times)
    np.testing.assert_allclose(np.repeat(weighted, times, axis=0), repeated)
    np.testing.assert_array_equal(
        LogitAdjustment([9, 1, 1]).transform(logits, times), LogitAdjustment([9, 1, 1]).transform(logits)
    )


def long_tailed(logits: Any, target: Any, counts: list[int]) -> tuple[Any, Any]:
    rows = np.concatenate([np.flatnonzero(target == label)[:count] for label, count in enumerate(counts)])
    return logits[rows], target[rows]


def test_weighted_rebalancing_of_a_long_tailed_set_is_that_of_a_balanced_one() -> None:
    logits, target = gaussian_problem([900, 90, 10], samples=30_000)
    balanced = PredictionRebalancing().transform(logits) - logits
    few, labels = long_tailed(logits, target, [9000, 900, 300])
    weight = 1 / np.bincount(labels)[labels]
    for given, close in ((weight, True), (None, False)):
        shift = PredictionRebalancing().transform(few, given) - few
        relative = (shift - shift[:, :1])[0] - (balanced - balanced[:, :1])[0]
        assert (np.abs(relative) < 0.2).all() == close


@pytest.mark.parametrize("name", ["rebalance", "logit-adjustment"])
def test_tau_found_on_a_long_tailed_validation_set_is_good_on_a_balanced_test_set(name: str) -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts, samples=30_000)
    validation, labels = long_tailed(logits, target, [9000, 900, 300])

    def accuracy(tau: float) -> float:
        corrected = build_posthoc(name, counts, tau).transform(logits)
        return classification_report(corrected, target, counts)["balanced_accuracy"]

    for given in ((validation, labels), (torch.tensor(validation), torch.tensor(labels))):
        tau = search_tau(*given, lambda tau: build_posthoc(name, counts, tau))
        assert accuracy(tau) > max(accuracy(step / 5) for step in range(16)) - 0.01
    assert accuracy(tau) > accuracy(0.0) + 0.05


@pytest.mark.parametrize("name", ["rebalance", "logit-adjustment"])
def test_class_without_a_validation_sample_does_not_pull_tau_down(name: str) -> None:
    counts = [900, 90, 10]
    logits, target = gaussian_problem(counts, samples=30_000)
    scores, labels = long_tailed(logits, target, [9000, 900, 0])
    found = search_tau(scores, labels, lambda tau: build_posthoc(name, counts, tau))
    of_two_classes = search_tau(scores[:, :2], labels, lambda tau: build_posthoc(name, counts[:2], tau))
    assert found == pytest.approx(of_two_classes, abs=0.11)


def test_classifier_that_is_right_already_is_not_corrected() -> None:
    logits, target = np.eye(3)[[0, 0, 1, 2]] * 50, np.array([0, 0, 1, 2])
    assert search_tau(logits, target, PredictionRebalancing) == 0.0


def test_middle_of_equally_good_taus_is_taken() -> None:
    logits, target = np.array([[2.0, 0.0], [1.0, 0.0]]), np.array([0, 1])  # right where 1 < tau * log 3 < 2
    taus = [0.0, 0.5, 1.0, 1.2, 1.4, 1.7, 2.0]
    assert search_tau(logits, target, lambda tau: LogitAdjustment([3, 1], tau), taus) == 1.2
    assert search_tau(logits, target, lambda tau: LogitAdjustment([3, 1], tau), taus[3:]) == 1.2


@pytest.mark.parametrize("correction", [LogitAdjustment([9, 1], tau=0), PredictionRebalancing(tau=0)])
def test_tau_zero_changes_no_probability(correction: PosthocCorrection) -> None:
    logits = torch.randn(20, 2, dtype=torch.float64)
    torch.testing.assert_close(correction.transform(logits).softmax(1), logits.softmax(1))


@pytest.mark.parametrize("correction", [LogitAdjustment([9, 1]), PredictionRebalancing()])
def test_numpy_in_numpy_out_and_torch_in_torch_out(correction: PosthocCorrection) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    from_numpy, from_torch = correction.transform(logits), correction.transform(torch.tensor(logits))
    assert isinstance(from_numpy, np.ndarray)
    assert isinstance(from_torch, torch.Tensor)
    assert from_numpy.dtype == np.float32
    np.testing.assert_array_equal(from_numpy, from_torch.numpy())


@pytest.mark.parametrize("correction", [LogitAdjustment([9, 1]), PredictionRebalancing()])
@pytest.mark.parametrize("layout", [lambda z: z[::-1][::-1], lambda z: z.astype(">f8"), np.asfortranarray])
def test_arrays_of_any_strides_and_byte_order_are_taken(correction: PosthocCorrection, layout: Any) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 2))
    corrected = correction.transform(layout(logits)[::-1])
    np.testing.assert_array_equal(corrected, correction.transform(logits[::-1].copy()))


@pytest.mark.parametrize("correction", [LogitAdjustment([9, 1]), PredictionRebalancing()])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e4, "largest"])
def test_extreme_logits_stay_finite(correction: PosthocCorrection, dtype: torch.dtype, scale: float | str) -> None:
    extreme = torch.finfo(dtype).max if isinstance(scale, str) else scale
    logits = torch.tensor([[extreme, -extreme], [extreme, -extreme]], dtype=dtype)
    assert correction.transform(logits).isfinite().all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logit-adjustment", LogitAdjustment([9, 1], 0.5)),
        ("rebalance", PredictionRebalancing(0.5)),
    ],
)
def test_corrections_are_built_by_name(name: str, expected: PosthocCorrection) -> None:
    logits = torch.randn(20, 2)
    torch.testing.assert_close(build_posthoc(name, [9, 1], 0.5).transform(logits), expected.transform(logits))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogitAdjustment([3, 0]), "class 1 has count 0"),
        (lambda: LogitAdjustment([3, 2], tau=float("nan")), "tau must be a finite number, got nan"),
        (lambda: PredictionRebalancing(tau=float("inf")), "tau must be a finite number, got inf"),
        (lambda: LogitAdjustment([3, 2]).transform(np.zeros((1, 3))), "logits have 3 classes but class_counts has 2"),
        (lambda: PredictionRebalancing().transform(np.array([[np.inf, 0.0]])), "logits must be finite"),
        (lambda: PredictionRebalancing().transform(np.zeros(3)), r"\(N, C\), got torch.float64 of shape \(3,\)"),
        (lambda: PredictionRebalancing().transform(np.zeros((2, 2)), np.ones(3)), "sample_weight must be 2 finite pos"),
        (
            lambda: PredictionRebalancing().transform(np.zeros((1, 2)), np.zeros(1)),
            "sample_weight must be 1 finite pos",
        ),
        (lambda: search_tau(np.zeros((2, 2)), np.zeros(3, int), PredictionRebalancing), "a search needs logits"),
        (lambda: search_tau(np.zeros((1, 2)), np.zeros(1, int), PredictionRebalancing, []), "at least one tau"),
        (lambda: search_tau(np.zeros((1, 2)), np.array([2]), PredictionRebalancing), "target 2 is out of range for 2"),
        (lambda: build_posthoc("calibrate", [1, 1], 1.0), "no correction is named 'calibrate'; there are logit-adj"),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_tau_normalisation_of_logits_divides_by_the_lengths_of_the_weights() -> None:
    weight, bias = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]), torch.tensor([1.0, -1.0, 2.0])
    logits = torch.tensor([[11.0, 3.0, 0.0]])
    torch.testing.assert_close(TauNormalization(weight, bias, 2.0).transform(logits), torch.tensor([[0.4, 1.0, -2.0]]))
    torch.testing.assert_close(TauNormalization(weight, tau=0).transform(logits), logits)


@pytest.mark.parametrize(
    ("weight", "bias", "tau", "message"),
    [
        (torch.ones(3), None, 1.0, r"weight must be \(C, F\) and bias \(C,\), got shapes \(3,\) and None"),
        (torch.ones(3, 2), torch.ones(2), 1.0, r"got shapes \(3, 2\) and \(2,\)"),
        (torch.ones(3, 2), None, -1.0, "tau must be at least 0"),
        (torch.ones(4, 2), None, 1.0, "logits have 3 classes but the head has 4"),
    ],
)
def test_tau_normalisation_names_what_does_not_fit(weight: Any, bias: Any, tau: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TauNormalization(weight, bias, tau).transform(torch.ones(5, 3))
