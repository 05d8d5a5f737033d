"""What holds for every correction: numpy and torch, dtypes, layouts, extremes, and how they are built by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from posthoc.gaussians import gaussian_problem
from tailwise.posthoc import (
    POSTHOC,
    ClassThresholds,
    CostSensitiveDecision,
    LogitAdjustment,
    PosthocCorrection,
    PredictionRebalancing,
    PriorShift,
    TemperatureScaling,
    build_posthoc,
    find_posthoc,
    posthoc_arguments,
)

LOGITS, TARGET = gaussian_problem([900, 100], samples=300, test_prior=[0.8, 0.2])
CORRECTIONS = [
    LogitAdjustment([9, 1]),
    PredictionRebalancing(),
    PriorShift([9, 1], [1, 3]),
    PriorShift([9, 1], [1, 0]),
    PriorShift([9, 1]).fit(LOGITS),
    TemperatureScaling().fit(LOGITS, TARGET),
    TemperatureScaling().fit(LOGITS * 2, TARGET),
    ClassThresholds().fit(LOGITS, TARGET),
    CostSensitiveDecision([[0, 1], [5, 0]]),
    CostSensitiveDecision([1, 5]),
]
every_correction = pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda given: type(given).__name__)


def test_sample_weights_count_samples_several_times() -> None:
    logits, _ = gaussian_problem([900, 90, 10], samples=30)
    times = np.arange(30) % 3 + 1
    repeated = PredictionRebalancing(1.5).transform(np.repeat(logits, times, axis=0))
    weighted = PredictionRebalancing(1.5).transform(logits, times)
    np.testing.assert_allclose(np.repeat(weighted, times, axis=0), repeated)
    np.testing.assert_array_equal(
        LogitAdjustment([9, 1, 1]).transform(logits, times), LogitAdjustment([9, 1, 1]).transform(logits)
    )


@pytest.mark.parametrize("correction", [LogitAdjustment([9, 1], tau=0), PredictionRebalancing(tau=0)])
def test_tau_zero_changes_no_probability(correction: PosthocCorrection) -> None:
    logits = torch.randn(20, 2, dtype=torch.float64)
    torch.testing.assert_close(correction.transform(logits).softmax(1), logits.softmax(1))


@every_correction
def test_numpy_in_numpy_out_and_torch_in_torch_out(correction: PosthocCorrection) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    from_numpy, from_torch = correction.transform(logits), correction.transform(torch.tensor(logits))
    assert isinstance(from_numpy, np.ndarray)
    assert isinstance(from_torch, torch.Tensor)
    assert from_numpy.dtype == np.float32
    np.testing.assert_array_equal(from_numpy, from_torch.numpy())


@every_correction
@pytest.mark.parametrize("layout", [lambda z: z[::-1][::-1], lambda z: z.astype(">f8"), np.asfortranarray])
def test_arrays_of_any_strides_and_byte_order_are_taken(correction: PosthocCorrection, layout: Any) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 2))
    corrected = correction.transform(layout(logits)[::-1])
    np.testing.assert_array_equal(corrected, correction.transform(logits[::-1].copy()))


@every_correction
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept(correction: PosthocCorrection, dtype: torch.dtype) -> None:
    logits = torch.tensor(LOGITS[:50])
    corrected = correction.transform(logits.to(dtype))
    assert corrected.dtype == dtype
    if dtype != torch.float64:
        expected = correction.transform(logits)
        seen = expected > torch.finfo(dtype).min
        torch.testing.assert_close(corrected[seen].double(), expected[seen], rtol=0.02, atol=0.2)


@every_correction
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
    torch.testing.assert_close(build_posthoc(name, [9, 1], tau=0.5).transform(logits), expected.transform(logits))


def test_every_correction_is_registered_under_one_name_and_says_what_it_needs() -> None:
    assert {type(correction) for correction in CORRECTIONS} == set(POSTHOC.values())
    assert len(set(POSTHOC.values())) == len(POSTHOC)
    assert all(cls.needs and cls.__doc__ and "Needs" in cls.__doc__ for cls in POSTHOC.values())


def test_arguments_of_a_correction_are_its_own_and_those_it_needs_are_known() -> None:
    assert posthoc_arguments("temperature") == {}
    assert posthoc_arguments("logit-adjustment") == {"tau": False}
    assert posthoc_arguments("prior-shift")["test_prior"] is False
    assert posthoc_arguments("cost-sensitive") == {"costs": True}


def test_class_counts_go_to_the_corrections_that_take_them() -> None:
    prior_shift = build_posthoc("prior-shift", [9, 1], test_prior="uniform")
    np.testing.assert_allclose(prior_shift.transform(LOGITS), PriorShift([9, 1], [1, 1]).transform(LOGITS))
    assert isinstance(build_posthoc("temperature", [9, 1]), TemperatureScaling)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PredictionRebalancing().transform(np.array([[np.inf, 0.0]])), "logits must be finite"),
        (lambda: PredictionRebalancing().transform(np.zeros(3)), r"\(N, C\), got torch.float64 of shape \(3,\)"),
        (lambda: PredictionRebalancing().transform(np.zeros((2, 2)), np.ones(3)), "sample_weight must be 2 finite pos"),
        (
            lambda: PredictionRebalancing().transform(np.zeros((1, 2)), np.zeros(1)),
            "sample_weight must be 1 finite pos",
        ),
        (lambda: find_posthoc("calibrate"), "no correction is named 'calibrate'"),
        (lambda: build_posthoc("temperature", [1, 1], tau=1.0), "'temperature' has no argument 'tau'; it takes none"),
        (lambda: build_posthoc("rebalance", [1, 1], metric="f1"), "has no argument 'metric'; it takes tau"),
        (lambda: build_posthoc("cost-sensitive", [1, 1]), "'cost-sensitive' needs its argument 'costs'"),
        (
            lambda: build_posthoc("calibrate", [1, 1]),
            "named 'calibrate'; there are cost-sensitive, logit-adj",
        ),
    ],
)
def test_wrong_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
