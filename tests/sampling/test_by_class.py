"""The samples class after class, against a stable sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sampling_cases import COUNTS, shuffled_targets
from tailwise.sampling import SamplesByClass


def test_samples_by_class_are_the_stable_sort_of_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailwise.sampling.by_class.SORT_CHUNK", 64)
    targets = shuffled_targets(COUNTS)
    for given in (targets, targets.astype(np.uint8), torch.from_numpy(targets), targets.tolist()):
        samples = SamplesByClass(given)
        np.testing.assert_array_equal(samples.indices, np.argsort(targets, kind="stable"))
        assert samples.indices.dtype == np.int32
    for label in range(5):
        np.testing.assert_array_equal(samples.members(label), np.flatnonzero(targets == label))


def test_more_classes_than_sixteen_bits_are_sorted() -> None:
    targets = np.random.default_rng(0).integers(0, 70_000, 1000)
    np.testing.assert_array_equal(SamplesByClass(targets).indices, np.argsort(targets, kind="stable"))
