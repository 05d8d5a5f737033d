"""The sampling section: the draws of its fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tailwise.data.arrays import Arrays
from tailwise.recipes.sampling_config import (
    BalancedBatches,
    EffectiveNumberSampling,
    ProgressiveSampling,
    RebalancedSampling,
    RepeatFactorSampling,
)

COUNTS = np.array([6000, 600, 60])
TRAIN = Arrays(np.zeros((6660, 1), dtype=np.float32), np.repeat(np.arange(3), COUNTS), ("a", "b", "c"))


@pytest.mark.parametrize(
    ("section", "shares"),
    [
        (RebalancedSampling(name="class-balanced"), [1, 1, 1]),
        (RebalancedSampling(name="square-root"), COUNTS**0.5),
        (EffectiveNumberSampling(beta=0.999), COUNTS / (1 - 0.999**COUNTS)),
        (EffectiveNumberSampling(beta=0.0), COUNTS),
        (ProgressiveSampling(), COUNTS + COUNTS.mean()),
    ],
    ids=["class-balanced", "square-root", "effective-number", "effective-number of beta 0", "progressive half-way"],
)
def test_classes_are_drawn_as_often_as_the_section_says(section: Any, shares: np.ndarray) -> None:
    drawn = section.draw(TRAIN, seed=0, epochs=5)(2)
    assert len(drawn) == 6660
    expected = len(drawn) * np.asarray(shares) / np.sum(shares)
    assert stats.chisquare(np.bincount(TRAIN.targets[drawn], minlength=3), expected).pvalue > 1e-3


def test_repeat_factor_and_batches_take_their_fields() -> None:
    repeated = RepeatFactorSampling(threshold=0.25).draw(TRAIN, seed=0, epochs=5)(0)
    factors = np.maximum(1, np.sqrt(0.25 * 6660 / COUNTS))
    np.testing.assert_allclose(np.bincount(TRAIN.targets[repeated]), COUNTS * factors, rtol=0.1)
    batches = BalancedBatches(classes_per_batch=2, samples_per_class=5).draw(TRAIN, seed=0, epochs=5)(0)
    labels = np.sort(TRAIN.targets[batches].reshape(-1, 10), axis=1)
    assert (labels[:, :5] == labels[:, :1]).all()
    assert (labels[:, 5:] == labels[:, -1:]).all()
    assert (labels[:, 0] != labels[:, -1]).all()
