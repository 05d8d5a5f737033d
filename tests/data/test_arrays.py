"""A data set in memory: what it accepts, what it refuses, subsets of samples and of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tailwise.data.arrays import Arrays
from tailwise.errors import InputError

NAMES = ("cat", "dog", "owl")


def features(*targets: int) -> Arrays:
    """One feature per sample: its row."""
    return Arrays(np.arange(len(targets), dtype=np.float32)[:, None], np.array(targets), NAMES)


def test_images_and_features_are_told_apart() -> None:
    images = Arrays(np.zeros((2, 4, 5, 3), np.uint8), np.array([0, 2]), NAMES)
    assert images.is_image
    assert not features(0, 1).is_image


def test_a_class_without_samples_counts_zero() -> None:
    data = features(0, 0, 1)
    assert data.num_classes == 3
    assert list(data.counts) == [2, 1, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.zeros((2, 4, 5), np.uint8)}, r"got uint8 of shape \(2, 4, 5\)"),
        ({"inputs": np.zeros((2, 4), np.float64)}, r"float32 features \(N, F\), got float64"),
        ({"inputs": np.zeros((2, 4, 5, 1), np.float32)}, r"got float32 of shape \(2, 4, 5, 1\)"),
        ({"inputs": np.zeros((3, 4), np.float32)}, "equally many, got 3 and 2"),
        ({"inputs": np.zeros((2, 0), np.float32)}, r"at least one sample, got inputs of shape \(2, 0\)"),
        ({"targets": np.array([0, 1], np.int32)}, "int64"),
        ({"targets": np.array([[0], [1]])}, r"\(N,\)"),
        ({"targets": np.array([0, 3])}, "0 to 2 for 3 class names, got 3 in row 1"),
        ({"targets": np.array([-1, 0])}, "got -1 in row 0"),
        ({"class_names": ("cat", "dog", "cat")}, "'cat' twice"),
        ({"inputs": np.array([[0, 1], [0, np.nan]], np.float32)}, "got nan in row 1, column 1"),
        ({"inputs": np.array([[-np.inf, 1], [0, 0]], np.float32)}, "got -inf in row 0, column 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    fitting: dict[str, Any] = {
        "inputs": np.zeros((2, 4), np.float32),
        "targets": np.array([0, 2]),
        "class_names": NAMES,
    }
    Arrays(**fitting)
    with pytest.raises(InputError, match=message):
        Arrays(**fitting | change)


def test_a_data_set_without_samples_is_refused() -> None:
    with pytest.raises(InputError, match="at least one sample"):
        Arrays(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), NAMES)


def test_a_subset_keeps_the_order_asked_for_and_all_class_names() -> None:
    chosen = features(0, 1, 2, 0).subset([3, 1])
    assert chosen.inputs.tolist() == [[3], [1]]
    assert chosen.targets.tolist() == [0, 1]
    assert chosen.class_names == NAMES


@pytest.mark.parametrize(
    ("indices", "message"),
    [([], "non-empty"), ([0.0], "integers, got float64"), ([0, 2], "0 to 1, got 2"), ([-1], "0 to 1, got -1")],
)
def test_indices_that_do_not_exist_are_refused(indices: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        features(0, 1).subset(indices)


def test_chosen_classes_are_relabelled_in_the_listed_order() -> None:
    chosen = features(0, 1, 2, 0, 2).only_classes([2, 0])
    assert chosen.class_names == ("owl", "cat")
    assert chosen.inputs.ravel().tolist() == [0, 2, 3, 4]
    assert chosen.targets.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("classes", "message"),
    [([0, 3], "0 to 2, got 3"), ([-1], "got -1"), ([1, 0, 1], "got 1 twice"), ([], "at least one sample")],
)
def test_classes_that_are_unknown_or_repeated_are_refused(classes: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        features(0, 1, 2).only_classes(classes)
