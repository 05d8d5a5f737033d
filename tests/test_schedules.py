"""Schedules: what an epoch gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from conftest import golden
from tailwise import schedules
from tailwise.schedules import (
    DeferredReweighting,
    PhasedProgress,
    PhasedProgressiveMixing,
    PhasedProgressiveSampling,
    PhasedProgressiveWeights,
    progressive_sampling,
)
from tailwise.weights import effective_number_weights, inverse_frequency_weights


def double(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_deferred_reweighting_is_uniform_before_start_and_effective_number_from_it() -> None:
    schedule = DeferredReweighting([500, 50, 5], start=160, beta=0.99)
    for epoch in (0, 159):
        assert torch.equal(schedule(epoch), torch.ones(3, dtype=torch.float64))
    for epoch in (160, 199):
        assert torch.equal(schedule(epoch), effective_number_weights([500, 50, 5], 0.99))


@pytest.mark.parametrize("case", golden("ppl_weights"))
def test_phased_weights_match_golden(case: dict[str, Any]) -> None:
    schedule = PhasedProgressiveWeights(case["class_counts"], **case["params"])
    for row in case["rows"]:
        torch.testing.assert_close(schedule(row["epoch"]), double(row["class_weight"]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", golden("ppl_sampling"))
def test_phased_sampling_matches_golden(case: dict[str, Any]) -> None:
    schedule = PhasedProgressiveSampling(case["class_counts"], **case["params"])
    for row in case["rows"]:
        torch.testing.assert_close(schedule(row["epoch"]), double(row["class_probability"]), rtol=0, atol=1e-9)


def test_progressive_sampling_moves_evenly_from_the_training_frequencies_to_equal_probabilities() -> None:
    schedule = progressive_sampling([900, 90, 10], epochs=5)
    start, end = double([0.9, 0.09, 0.01]), double([1 / 3] * 3)
    for epoch in range(5):
        torch.testing.assert_close(schedule(epoch), start + epoch / 4 * (end - start))


@pytest.mark.parametrize("case", golden("ppl_mixup"))
def test_phased_mixing_matches_golden_row_by_row_and_all_at_once(case: dict[str, Any]) -> None:
    schedule = PhasedProgressiveMixing(**case["params"])
    for epoch in {row[0] for row in case["rows"]}:
        _, lam, count_a, count_b, expected = zip(*(row for row in case["rows"] if row[0] == epoch), strict=True)
        weight = schedule.label_weight(epoch, double(lam), torch.tensor(count_a), torch.tensor(count_b))
        torch.testing.assert_close(weight, double(expected), rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["DeferredReweighting", "PhasedProgressiveWeights", "PhasedProgressiveSampling"])
@pytest.mark.parametrize("epoch", [0, 5, 9])
def test_changing_the_result_leaves_the_schedule_as_it_is(name: str, epoch: int) -> None:
    arguments = {"start": 5} if name == "DeferredReweighting" else {"start": 1, "end": 9}
    schedule = getattr(schedules, name)([900, 90, 10], **arguments)
    expected = schedule(epoch).clone()
    schedule(epoch).zero_()
    assert torch.equal(schedule(epoch), expected)


@pytest.mark.parametrize("form", ["power", "logarithmic", "inverse-logarithmic"])
def test_progress_rises_from_zero_at_start_to_one_at_end(form: Any) -> None:
    progress = PhasedProgress(10, 30, power=4.0, form=form).progress
    assert [progress(epoch) for epoch in (0, 10)] == [0.0, 0.0]
    assert [progress(epoch) for epoch in (30, 99)] == pytest.approx([1.0, 1.0])
    between = [progress(epoch) for epoch in range(10, 31)]
    assert between == sorted(set(between))


def test_forms_at_half_way() -> None:
    half = {
        form: PhasedProgress(0, 2, 4.0, form).progress(1) for form in ("power", "logarithmic", "inverse-logarithmic")
    }  # type: ignore[arg-type]
    assert half["power"] == pytest.approx(0.5**4)
    assert half["logarithmic"] == pytest.approx(0.6609640474436812)  # log_4(2.5)
    assert half["inverse-logarithmic"] == pytest.approx(2**0.5 - 1)


def test_phased_weights_end_at_inverse_frequency_and_sampling_at_equal_shares() -> None:
    counts = [900, 90, 10]
    torch.testing.assert_close(PhasedProgressiveWeights(counts, 5, 9)(9), inverse_frequency_weights(counts))
    torch.testing.assert_close(PhasedProgressiveSampling(counts, 5, 9)(9), double([1 / 3] * 3))
    torch.testing.assert_close(PhasedProgressiveSampling(counts, 5, 9)(5), double([0.9, 0.09, 0.01]))


def test_mixing_is_symmetric_in_the_pair() -> None:
    """Naming the two samples the other way round gives each label the same weight."""
    schedule = PhasedProgressiveMixing(0, 10, power=2.0)
    lam = double([0.1, 0.3, 0.49, 0.51, 0.8])
    for count_a, count_b in ((900, 10), (10, 900), (30, 10), (29, 10), (5, 5)):
        a = schedule.label_weight(6, lam, torch.tensor(count_a), torch.tensor(count_b))
        b = schedule.label_weight(6, 1 - lam, torch.tensor(count_b), torch.tensor(count_a))
        torch.testing.assert_close(a + b, torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DeferredReweighting([2, 1], start=-1), "start must be at least 0, got -1"),
        (lambda: PhasedProgressiveWeights([2, 1], 5, 5), "end must be above 5, got 5"),
        (lambda: PhasedProgressiveWeights([2, 0], 5, 9), "class 1 has count 0"),
        (lambda: PhasedProgressiveSampling([2, 0], 5, 9), "class 1 has count 0"),
        (lambda: progressive_sampling([2, 1], 1), "epochs must be a whole number from 2 up, got 1"),
        (lambda: progressive_sampling([2, 0], 3), "class 1 has count 0"),
        (lambda: PhasedProgress(0, 1, power=0.0), "power must be above 0"),
        (lambda: PhasedProgress(0, 1, power=1.0, form="logarithmic"), "not 1 as the base of a logarithm"),
        (lambda: PhasedProgress(0, 1, form="cubic"), 'form must be "power", "logarithmic" or "inverse-logarithmic"'),  # type: ignore[arg-type]
        (lambda: DeferredReweighting([2, 1], start=float("nan")), "start must be at least 0 and a finite number"),  # type: ignore[arg-type]
        (lambda: DeferredReweighting([2, 1], start=1, beta=float("nan")), "beta must be at least 0 and below 1"),
        (lambda: PhasedProgress(0, float("inf")), "end must be above 0 and a finite number"),  # type: ignore[arg-type]
        (lambda: PhasedProgress(0, 1, power=float("nan")), "power must be above 0 and a finite number"),
        (
            lambda: PhasedProgressiveMixing(0, 1, count_ratio=float("inf")),
            "count_ratio must be at least 1 and a finite",
        ),
        (lambda: PhasedProgressiveMixing(0, 1, count_ratio=0.5), "count_ratio must be at least 1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
