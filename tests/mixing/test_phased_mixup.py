"""PPmix: its labels against the schedule and Remix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mixing_cases import batch, generator, parts
from tailwise.counts import ClassCounts, CountsLike
from tailwise.mixing import mixup, phased_mixup, remix
from tailwise.schedules import PhasedProgressiveMixing

COUNTS = torch.tensor([900, 90, 10])
PHASES = PhasedProgressiveMixing(start=2, end=6, power=1.0)


@pytest.mark.parametrize("counts", [[900, 90, 10], ClassCounts([900, 90, 10]), np.array([900, 90, 10])])
def test_counts_may_be_whatever_class_counts_are_made_of(counts: CountsLike) -> None:
    inputs, targets = batch()
    expected = phased_mixup(inputs, targets, COUNTS, PHASES, 4, 1.0, generator())
    for found, wanted in zip(phased_mixup(inputs, targets, counts, PHASES, 4, 1.0, generator()), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_phased_mixing_before_its_start_is_mixup() -> None:
    inputs, targets = batch()
    for epoch in (0, 2):
        phased = phased_mixup(inputs, targets, COUNTS, PHASES, epoch, 1.0, generator())
        for ours, theirs in zip(phased, mixup(inputs, targets, 3, 1.0, generator()), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("epoch", [4, 6, 9])
def test_phased_labels_are_those_of_the_schedule_pair_by_pair(epoch: int) -> None:
    inputs, targets = batch()
    mixed, soft = phased_mixup(inputs, targets, COUNTS, PHASES, epoch, 1.0, generator(), per_sample=True)
    torch.testing.assert_close(mixed, mixup(inputs, targets, 3, 1.0, generator(), per_sample=True)[0])
    for row in range(64):
        pair = parts(mixed, row)
        if len(pair) == 2:
            other = next(sample for sample in pair if sample != row)
            weight = PHASES.label_weight(epoch, torch.tensor(pair[row]), COUNTS[targets[row]], COUNTS[targets[other]])
            expected = weight * torch.eye(3)[targets[row]] + (1 - weight) * torch.eye(3)[targets[other]]
            torch.testing.assert_close(soft[row], expected)


def test_after_its_end_the_rarer_of_two_unequal_classes_takes_every_label_it_may() -> None:
    inputs, targets = torch.tensor([[1.0], [0.0]]), torch.tensor([2, 0])  # rare, frequent
    kinds = set()
    for seed in range(20):
        mixed, soft = phased_mixup(inputs, targets, COUNTS, PHASES, 6, 1.0, generator(seed))
        if 0 < mixed[0, 0] < 1:
            rare_has_most = bool(mixed[0, 0] > 0.5)
            kinds.add(rare_has_most)
            if rare_has_most:
                assert soft[0].tolist() == [0, 0, 1]
            else:
                torch.testing.assert_close(soft[0, 2], mixed[0, 0])
    assert kinds == {False, True}


def test_from_its_end_on_it_is_remix() -> None:
    for seed in range(10):
        phased = phased_mixup(*batch(), COUNTS, PHASES, 6, 1.0, generator(seed), per_sample=True)
        remixed = remix(*batch(), COUNTS, 1.0, generator=generator(seed), per_sample=True)
        assert all(map(torch.equal, phased, remixed))
