"""The report dictionary against scikit-learn, hand-made cases and its own symmetries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.preprocessing import label_binarize

from metric_cases import random_problem
from tailwise.metrics import classification_report


def softmax(logits: Any) -> Any:
    """Rounded, so that what is a tie up to the rounding of a sum is one."""
    return torch.tensor(logits).softmax(1).numpy().round(12)


@pytest.mark.parametrize("decimals", [None, 0], ids=["distinct", "ties"])
def test_binary_metrics_are_those_of_the_positive_class(decimals: int | None) -> None:
    logits, target = random_problem(2, decimals=decimals)
    predicted, positive = logits.argmax(1), softmax(logits)[:, 1]
    report = classification_report(logits, target, [200, 100])
    expected = {
        "accuracy": sk.accuracy_score(target, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(target, predicted),
        "f1": sk.f1_score(target, predicted),
        "macro_f1": sk.f1_score(target, predicted, average="macro"),
        "precision": sk.precision_score(target, predicted),
        "recall": sk.recall_score(target, predicted),
        "mcc": sk.matthews_corrcoef(target, predicted),
        "auc": sk.roc_auc_score(target, positive),
        "ap": sk.average_precision_score(target, positive),
    }
    assert {name: report[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("decimals", [None, 0], ids=["distinct", "ties"])
@pytest.mark.parametrize("classes", [3, 10, 130])
def test_multiclass_metrics_are_macro_averages(classes: int, decimals: int | None) -> None:
    logits, target = random_problem(classes, samples=2000, decimals=decimals)
    predicted, probabilities = logits.argmax(1), softmax(logits)
    report = classification_report(logits, target, [50] * classes)
    one_hot = label_binarize(target, classes=range(classes))
    expected = {
        "accuracy": sk.accuracy_score(target, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(target, predicted),
        "f1": sk.f1_score(target, predicted, average="macro"),
        "macro_f1": sk.f1_score(target, predicted, average="macro"),
        "precision": sk.precision_score(target, predicted, average="macro", zero_division=0),
        "recall": sk.recall_score(target, predicted, average="macro"),
        "mcc": sk.matthews_corrcoef(target, predicted),
        "auc": sk.roc_auc_score(one_hot, probabilities, average="macro"),
        "ap": sk.average_precision_score(one_hot, probabilities, average="macro"),
    }
    assert {name: report[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    recalls = sk.recall_score(target, predicted, average=None)
    assert [report[f"recall/{index}"] for index in range(classes)] == pytest.approx(recalls.tolist())


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_softmax_makes_no_ties(classes: int, dtype: Any) -> None:
    """One class is the larger the surer it is; at 100 times the size its probabilities are 0 and 1."""
    logits, target = random_problem(classes)
    logits = (100 * logits).astype(dtype)
    report = classification_report(logits, target, [50] * classes)
    odds = [
        [z[c] - torch.tensor(np.delete(z, c)).logsumexp(0).item() for c in range(classes)]
        for z in logits.astype(np.float64)
    ]
    positive = range(1, 2) if classes == 2 else range(classes)
    scores = np.array(odds)
    auc = np.mean([sk.roc_auc_score(target == c, scores[:, c]) for c in positive])
    ap = np.mean([sk.average_precision_score(target == c, scores[:, c]) for c in positive])
    assert report["auc"] == pytest.approx(auc)
    assert report["ap"] == pytest.approx(ap)
    saturated = torch.tensor(logits).double().softmax(1).numpy()
    assert auc != pytest.approx(np.mean([sk.roc_auc_score(target == c, saturated[:, c]) for c in positive]))


def test_samples_that_differ_in_the_order_of_the_other_classes_are_ties() -> None:
    generator = np.random.default_rng(0)
    first, others = generator.normal(size=2), generator.normal(size=18)
    logits = np.stack([np.concatenate([first, generator.permutation(others)]) for _ in range(50)])
    assert classification_report(logits, np.arange(50) % 2, [1] * 20)["auc"] == 0.5


def test_ranking_survives_logits_whose_differences_overflow() -> None:
    logits = np.array([[1e308, -1e308], [0.0, 1.0], [-1e308, 1e308], [2.0, 1.0]])
    assert classification_report(logits, np.array([0, 1, 1, 0]), [2, 2])["auc"] == 1.0


def test_classes_missing_from_the_test_set_count_in_no_average() -> None:
    logits, target = random_problem(5)
    kept = (target != 1) & (target != 4)
    logits, target = logits[kept], target[kept]
    report = classification_report(logits, target, [50] * 5)
    predicted, probabilities = logits.argmax(1), softmax(logits)
    present = [0, 2, 3]
    recalls = [(predicted[target == index] == index).mean() for index in present]
    assert report["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert report["g_mean"] == pytest.approx(np.prod(recalls) ** (1 / 3))
    assert report["macro_f1"] == pytest.approx(sk.f1_score(target, predicted, average="macro"))
    auc = np.mean([sk.roc_auc_score(target == index, probabilities[:, index]) for index in present])
    assert report["auc"] == pytest.approx(auc)
    assert "recall/1" not in report
    assert "recall/2" in report


@pytest.mark.parametrize("classes", [2, 3])
def test_ranking_metrics_are_left_out_where_there_is_nothing_to_rank_against(classes: int) -> None:
    logits, target = random_problem(classes)
    report = classification_report(logits[target == 1], target[target == 1], [9] * classes)
    assert not {"auc", "ap"} & set(report)
    assert np.isfinite(list(report.values())).all()


def test_g_mean_is_zero_when_a_class_is_never_found() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]] * 3)
    assert classification_report(logits, torch.tensor([0, 1, 2]), [3, 2, 1])["g_mean"] == 0


def test_groups_follow_the_training_counts_and_average_recalls() -> None:
    target = torch.tensor([0, 0, 0, 1, 2, 2, 3])
    predicted = torch.tensor([0, 0, 1, 1, 2, 3, 0])
    logits = torch.nn.functional.one_hot(predicted, 4).float()
    report = classification_report(logits, target, [500, 101, 20, 19])
    assert report["accuracy_many"] == pytest.approx((2 / 3 + 1) / 2)
    assert report["accuracy_medium"] == pytest.approx(0.5)
    assert report["accuracy_few"] == 0
    assert "accuracy_few" not in classification_report(logits, target, [500, 101, 20, 20])


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    logits = np.log(np.stack([confidence, 1 - confidence], axis=1))
    target = np.array([0, 0, 0, 1, 0, 1])  # 3 of 4 right at 0.9, 1 of 2 at 0.6
    expected = 4 / 6 * abs(0.9 - 0.75) + 2 / 6 * abs(0.6 - 0.5)
    assert classification_report(logits, target, [3, 3])["ece"] == pytest.approx(expected, abs=1e-6)


def test_perfect_prediction_is_one_everywhere() -> None:
    target = torch.tensor([0, 1, 2, 2])
    report = classification_report(100.0 * torch.nn.functional.one_hot(target, 3), target, [5, 5, 5])
    assert report.pop("ece") == pytest.approx(0.0)
    assert set(report.values()) == {1.0}


def test_order_of_samples_and_names_of_classes_do_not_matter() -> None:
    logits, target = random_problem(4)
    counts, order = [300, 60, 30, 5], np.array([2, 0, 3, 1])
    shuffle = np.random.default_rng(0).permutation(len(target))
    report = classification_report(logits, target, counts)
    renamed = classification_report(
        logits[shuffle][:, order], order.argsort()[target[shuffle]], [counts[c] for c in order]
    )
    ours = {name: value for name, value in report.items() if not name.startswith("recall/")}
    theirs = {name: value for name, value in renamed.items() if not name.startswith("recall/")}
    assert theirs == pytest.approx(ours)


def test_arrays_of_any_strides_and_byte_order_are_taken() -> None:
    logits, target = random_problem(3)
    expected = classification_report(logits[::-1].copy(), target[::-1].copy(), [9, 9, 9])
    assert classification_report(logits[::-1].astype(">f8"), target.astype(">i4")[::-1], [9, 9, 9]) == expected


def test_numpy_and_torch_half_precision_are_taken() -> None:
    logits, target = random_problem(3, decimals=2)
    report = classification_report(logits, target, [9, 9, 9])
    half = classification_report(torch.tensor(logits, dtype=torch.float16), torch.tensor(target), [9, 9, 9])
    assert half["accuracy"] == report["accuracy"]


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (np.zeros((2, 3)), [0, 1], r"logits must be \(N, 2\)"),
        (np.zeros((0, 2)), [], r"got shape \(0, 2\)"),
        (np.zeros((2, 2)), [0], "target must be 2 class indices"),
        (np.zeros((2, 2)), [0.0, 1.0], "target must be 2 class indices, got torch.float"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), [0, 1], "logits must be finite, .* in row 1"),
        (np.zeros((2, 2)), [0, 2], "target must lie from 0 to 1, got 2 in row 1"),
        (np.zeros((2, 2)), [-1, 1], "target must lie from 0 to 1, got -1 in row 0"),
    ],
)
def test_wrong_input_is_named(logits: Any, target: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_report(logits, target, [5, 5])
