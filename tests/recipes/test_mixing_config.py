"""The mixing section: what partners it draws, and what data it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from tailwise.data.arrays import Arrays
from tailwise.recipes.mixing_config import BalancedMixup, ContextRichOversampling, CutMix

COUNTS = [60, 0, 30, 6]
TARGETS = np.repeat(np.arange(4), COUNTS)
IMAGES = Arrays(np.zeros((96, 4, 4, 1), dtype=np.uint8), TARGETS, ("a", "b", "c", "d"))
TABLE = Arrays(np.zeros((96, 4), dtype=np.float32), TARGETS, ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("section", "shares"),
    [
        (BalancedMixup(), [1, 0, 1, 1]),
        (ContextRichOversampling(), [1, 0, 1, 1]),
        (ContextRichOversampling(power=0), [60, 0, 30, 6]),
        (ContextRichOversampling(power=2), [1 / 60, 0, 1 / 30, 1 / 6]),
    ],
    ids=["balanced mixup", "cmo", "cmo unweighted", "cmo inverse"],
)
def test_partners_come_as_often_as_the_weights_of_their_samples_say(
    section: BalancedMixup | ContextRichOversampling, shares: list[float]
) -> None:
    partners = section.partners(IMAGES, seed=0, epochs=200)(10, 20_000)
    assert partners is not None
    per_class = np.bincount(TARGETS[partners], minlength=4)
    assert per_class[1] == 0
    present = [0, 2, 3]
    expected = 20_000 * np.array(shares)[present] / sum(shares)
    assert stats.chisquare(per_class[present], expected).pvalue > 1e-3


def test_partners_follow_from_seed_and_epoch() -> None:
    def drawn(seed: int, epoch: int) -> tuple[int, ...]:
        partners = BalancedMixup().partners(IMAGES, seed, epochs=9)(epoch, 50)
        assert partners is not None
        return tuple(partners.tolist())

    assert drawn(1, 2) == drawn(1, 2)
    assert len({drawn(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9


def test_a_large_power_draws_the_rarest_class_alone() -> None:
    partners = ContextRichOversampling(power=500).partners(IMAGES, seed=0, epochs=200)(10, 50)
    assert partners is not None
    assert set(TARGETS[partners]) == {3}


@pytest.mark.parametrize("section", [CutMix(), ContextRichOversampling()])
def test_boxes_of_tables_are_refused_before_training(section: CutMix | ContextRichOversampling) -> None:
    with pytest.raises(ValueError, match=r"pastes boxes of images, but the data are float32 samples .*; use mixup"):
        section.mix(TABLE, torch.device("cpu"), 200)
