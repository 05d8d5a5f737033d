"""What every metric keeps: any split of the samples gives the same value, and it lives as a torchmetrics ``Metric``."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics import MetricCollection

from metric_cases import CLASSES, COUNTS, METRICS, PROBLEMS, every_metric, every_problem, tensors_of, value_of
from metric_process import evaluate
from tailwise.metrics import (
    BalancedAccuracy,
    ClassificationMetric,
    ClasswiseCalibrationError,
    MacroAUROC,
    ScoreMetric,
    ShotAccuracy,
)

Build = Callable[..., ClassificationMetric]
LOGITS, TARGET = PROBLEMS["long-tailed"]
score_metric = pytest.mark.parametrize("name", ["MacroAUROC", "MacroAveragePrecision", "ClasswiseCalibrationError"])


def assert_same(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)


def score_metric_of(name: str, **options: Any) -> ScoreMetric:
    metric = METRICS[name](**options)
    assert isinstance(metric, ScoreMetric)
    return metric


@every_metric
@every_problem
def test_batches_give_what_all_samples_at_once_give(build: Build, logits: Any, target: Any) -> None:
    assert_same(value_of(build(), logits, target, batches=7), value_of(build(), logits, target))


@every_metric
def test_order_of_samples_does_not_matter(build: Build) -> None:
    shuffle = np.random.default_rng(0).permutation(len(TARGET))
    assert_same(value_of(build(), LOGITS[shuffle], TARGET[shuffle]), value_of(build(), LOGITS, TARGET))


@every_metric
@every_problem
def test_value_lies_between_zero_and_one(build: Build, logits: Any, target: Any) -> None:
    assert all(0 <= value <= 1 for value in tensors_of(value_of(build(), logits, target)))


@every_metric
def test_empty_batch_changes_nothing(build: Build) -> None:
    metric = build()
    before = value_of(metric, LOGITS, TARGET)
    metric.update(torch.empty(0, CLASSES), torch.empty(0, dtype=torch.int64))
    assert_same(metric.compute(), before)


@every_metric
@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_value_before_the_first_sample_is_nan(build: Build) -> None:
    assert all(value.isnan() for value in tensors_of(build().compute()))


@every_metric
def test_forward_gives_the_value_of_the_batch_and_adds_it_to_the_whole(build: Build) -> None:
    metric = build()
    halves = [slice(0, 200), slice(200, None)]
    for half in halves:
        batch = metric(torch.tensor(LOGITS[half]), torch.tensor(TARGET[half]))
        assert_same(batch, value_of(build(), LOGITS[half], TARGET[half]))
    assert_same(metric.compute(), value_of(build(), LOGITS, TARGET))


@every_metric
def test_reset_forgets_all(build: Build) -> None:
    metric = build()
    value_of(metric, *PROBLEMS["hopeless"])
    metric.reset()
    metric.update(torch.tensor(LOGITS), torch.tensor(TARGET))
    assert_same(metric.compute(), value_of(build(), LOGITS, TARGET))


@every_metric
@pytest.mark.parametrize(
    "copied",
    [lambda metric: metric.clone(), lambda metric: pickle.loads(pickle.dumps(metric))],
    ids=["clone", "pickle"],
)
def test_copy_goes_on_alone_from_the_same_state(build: Build, copied: Callable[[Any], Any]) -> None:
    metric = build()
    before = value_of(metric, LOGITS[:100], TARGET[:100])
    copy = copied(metric)
    copy.update(torch.tensor(LOGITS[100:]), torch.tensor(TARGET[100:]))
    assert_same(copy.compute(), value_of(build(), LOGITS, TARGET))
    assert_same(metric.compute(), before)


@every_metric
def test_states_merge_into_that_of_all_samples(build: Build) -> None:
    first, second = build(), build()
    first.update(torch.tensor(LOGITS[:100]), torch.tensor(TARGET[:100]))
    second.update(torch.tensor(LOGITS[100:]), torch.tensor(TARGET[100:]))
    first.merge_state(second)
    assert_same(first.compute(), value_of(build(), LOGITS, TARGET))


@every_metric
def test_state_travels_in_the_state_dict_where_it_is_persistent(build: Build) -> None:
    metric, other = build(), build()
    expected = value_of(metric, LOGITS, TARGET)
    metric.persistent(True)
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    other.update(torch.empty(0, CLASSES), torch.empty(0, dtype=torch.int64))
    assert_same(other.compute(), expected)


@every_metric
@pytest.mark.parametrize(
    "cast",
    [
        lambda metric: metric.half(),
        lambda metric: metric.to(torch.bfloat16),
        lambda metric: metric.set_dtype(torch.float16),
        lambda metric: nn.ModuleList([metric]).half()[0],
    ],
    ids=["half", "to", "set_dtype", "as a part"],
)
def test_state_keeps_its_precision_when_the_metric_is_cast(build: Build, cast: Callable[[Any], Any]) -> None:
    metric = build()
    value_of(metric, LOGITS[:100], TARGET[:100])
    cast(metric).update(torch.tensor(LOGITS[100:]), torch.tensor(TARGET[100:]))
    assert_same(metric.compute(), value_of(build(), LOGITS, TARGET))
    metric.reset()
    assert all(state.dtype == torch.int64 for state in metric.metric_state.values())


@every_metric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_scores_of_any_precision_are_taken_in_double_precision(build: Build, dtype: torch.dtype) -> None:
    metric = build()
    rounded = torch.tensor(LOGITS).to(dtype)
    metric.update(rounded, torch.tensor(TARGET))
    assert_same(metric.compute(), value_of(build(), rounded.double().numpy(), TARGET))


@every_metric
def test_gradient_does_not_reach_the_state(build: Build) -> None:
    metric = build()
    metric(torch.tensor(LOGITS, requires_grad=True), torch.tensor(TARGET))
    assert not any(state.requires_grad for state in metric.metric_state.values())


def test_collection_holds_one_state_for_each_family() -> None:
    metrics = MetricCollection({name: build() for name, build in METRICS.items()})
    for part in np.array_split(np.arange(len(TARGET)), 3):
        metrics.update(torch.tensor(LOGITS[part]), torch.tensor(TARGET[part]))
    computed = metrics.compute()
    for name, build in METRICS.items():
        value = value_of(build(), LOGITS, TARGET)
        assert_same({key: computed[key] for key in value} if isinstance(value, dict) else computed[name], value)
    assert sorted(len(group) for group in metrics.compute_groups.values()) == [1, 2, 4]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_with_unequal_shards_find_what_one_finds(processes: int, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(evaluate, (processes, str(tmp_path)), nprocs=processes)
    single = MetricCollection({name: build() for name, build in METRICS.items()})
    logits, target = (torch.tensor(values) for values in PROBLEMS["balanced"])
    found = [torch.load(tmp_path / str(rank), weights_only=True) for rank in range(processes)]
    for ours, *theirs in zip(*found, strict=True):
        single.update(logits, target)
        assert_same(ours, dict(single.compute()))
        for other in theirs:
            assert_same(other, ours)


@score_metric
@every_problem
def test_result_is_the_mean_of_the_values_of_the_classes_that_have_one(name: str, logits: Any, target: Any) -> None:
    values = value_of(score_metric_of(name, per_class=True), logits, target)
    assert values.shape == (CLASSES,)
    assert [bool(value.isnan()) for value in values] == [c not in target for c in range(CLASSES)]
    assert value_of(score_metric_of(name), logits, target) == pytest.approx(float(np.nanmean(values)), abs=1e-6)


@score_metric
def test_renaming_classes_renames_their_values(name: str) -> None:
    order = np.random.default_rng(1).permutation(CLASSES)
    values = value_of(score_metric_of(name, per_class=True), LOGITS, TARGET)
    renamed = value_of(score_metric_of(name, per_class=True), LOGITS[:, order], order.argsort()[TARGET])
    torch.testing.assert_close(renamed, values[torch.tensor(order)])


@score_metric
def test_probabilities_give_what_their_logits_give(name: str) -> None:
    probabilities = torch.tensor(LOGITS).softmax(dim=1).numpy()
    value = value_of(score_metric_of(name, from_logits=False), probabilities, TARGET)
    assert value == pytest.approx(float(value_of(score_metric_of(name), LOGITS, TARGET)), abs=1e-5)


@score_metric
def test_certain_probabilities_are_taken(name: str) -> None:
    certain = torch.eye(CLASSES)
    metric = score_metric_of(name, from_logits=False)
    metric.update(certain, torch.arange(CLASSES))
    metric.update(certain + 1e-7, torch.arange(CLASSES))  # what rounding may leave of a softmax
    assert metric.compute() == pytest.approx(0.0 if name == "ClasswiseCalibrationError" else 1.0, abs=1e-6)


@every_metric
@pytest.mark.parametrize(
    ("preds", "target", "message"),
    [
        (torch.zeros(2, 5), [0, 1], r"preds must be \(N, 6\) floating, one column per class, got .* shape \(2, 5\)"),
        (torch.zeros(2, 6, dtype=torch.int64), [0, 1], "preds must be .* floating, .* got torch.int64"),
        (torch.zeros(2), [0, 1], r"preds must be \(N, 6\) .* got torch.float32 of shape \(2,\)"),
        (torch.zeros(2, 6, 3), [0, 1], r"preds must be \(N, 6\) .* got torch.float32 of shape \(2, 6, 3\)"),
        (torch.tensor([[0.0] * 6, [torch.nan] * 6]), [0, 1], "preds must be finite, got .* in row 1"),
        (torch.tensor([[0.0] * 5 + [torch.inf]]), [0], "preds must be finite, got .* in row 0"),
        (torch.zeros(2, 6), [0], r"target must be 2 class indices, got torch.int64 of shape \(1,\)"),
        (torch.zeros(2, 6), [0.0, 1.0], "target must be 2 class indices, got torch.float32"),
        (torch.zeros(2, 6), [0, 6], "target must lie from 0 to 5, got 6 in row 1"),
        (torch.zeros(2, 6), [-100, 1], "target must lie from 0 to 5, got -100 in row 0"),
    ],
)
def test_wrong_input_is_named_and_changes_nothing(build: Build, preds: Any, target: Any, message: str) -> None:
    metric = build()
    with pytest.raises(ValueError, match=message):
        metric.update(preds, torch.tensor(target))
    assert not any(state.any() for state in metric.metric_state.values())


@every_metric
@pytest.mark.parametrize(("preds", "target"), [([[0.0] * 6], torch.tensor([0])), (torch.zeros(1, 6), np.zeros(1))])
def test_what_is_no_tensor_is_refused(build: Build, preds: Any, target: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a tensor, got (list|ndarray); convert with torch.as_tensor"):
        build().update(preds, target)


@score_metric
@pytest.mark.parametrize("row", [[0.5] * 6, [1.5, -0.5, 0.0, 0.0, 0.0, 0.0]], ids=["sum of 3", "negative"])
def test_logits_that_are_given_as_probabilities_are_refused(name: str, row: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must be probabilities .* in row 1; give logits with from_logits=True"):
        score_metric_of(name, from_logits=False).update(torch.tensor([[1.0] + [0.0] * 5, row]), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: BalancedAccuracy(1), "num_classes must be a whole number from 2 up, got 1"),
        (lambda: BalancedAccuracy(2.5), "num_classes must be a whole number from 2 up, got 2.5"),
        (lambda: BalancedAccuracy(3, top_k=2), "Unexpected keyword arguments: `top_k`"),
        (lambda: MacroAUROC(3, bins=1), "bins must be a whole number from 2 up, got 1"),
        (lambda: ClasswiseCalibrationError(3, bins=0), "bins must be a whole number from 1 up, got 0"),
        (lambda: ShotAccuracy([5]), "num_classes must be a whole number from 2 up, got 1"),
        (lambda: ShotAccuracy([5, -1]), "class_counts must not be negative"),
        (lambda: ShotAccuracy(COUNTS, many=10), "few=20 must not exceed many=10"),
        (lambda: ShotAccuracy(COUNTS, group="rare"), 'group must be "many", "medium" or "few", got \'rare\''),
        (lambda: ShotAccuracy([500, 5], group="medium"), 'group "medium" has no class .* there are many, few'),
    ],
)
def test_wrong_arguments_are_named(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
