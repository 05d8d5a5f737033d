"""Remix: its conditions pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mixing_cases import batch, generator, parts
from tailwise.mixing import mixup, remix

COUNTS = [900, 90, 10, 250]


def four_classes() -> tuple[torch.Tensor, torch.Tensor]:
    return batch()[0], torch.arange(64) % 4


@pytest.mark.parametrize(("kappa", "tau"), [(3.0, 0.5), (1.0, 0.3), (3.6, 0.5), (10.0, 0.9), (1e6, 0.5)])
@pytest.mark.parametrize("per_sample", [False, True])
def test_labels_follow_the_three_conditions(kappa: float, tau: float, per_sample: bool) -> None:
    inputs, targets = four_classes()
    kinds = set()
    for seed in range(5):
        mixed, soft = remix(inputs, targets, COUNTS, 1.0, kappa, tau, generator(seed), per_sample)
        for row in range(64):
            pair = parts(mixed, row)
            if len(pair) < 2:
                continue
            other = next(sample for sample in pair if sample != row)
            lam, a, b = pair[row], int(targets[row]), int(targets[other])
            if COUNTS[a] / COUNTS[b] >= kappa and lam < tau:
                weight = 0.0
            elif COUNTS[a] / COUNTS[b] <= 1 / kappa and 1 - lam < tau:
                weight = 1.0
            else:
                weight = lam
            kinds.add(weight if weight in (0.0, 1.0) else "lam")
            expected = weight * torch.eye(4)[a] + (1 - weight) * torch.eye(4)[b]
            if kappa > 1 or a != b:
                torch.testing.assert_close(soft[row], expected)
    assert kinds == ({"lam"} if kappa == 1e6 else {0.0, 1.0, "lam"})


def test_images_are_those_of_mixup() -> None:
    inputs, targets = four_classes()
    assert torch.equal(
        remix(inputs, targets, COUNTS, generator=generator())[0], mixup(inputs, targets, 4, generator=generator())[0]
    )


def test_equal_counts_or_no_tau_leave_mixup() -> None:
    inputs, targets = four_classes()
    expected = mixup(inputs, targets, 4, 1.0, generator(), per_sample=True)
    for counts, tau in (([7, 7, 7, 7], 0.5), (COUNTS, 0.0)):
        found = remix(inputs, targets, counts, 1.0, 3.0, tau, generator(), per_sample=True)
        assert all(map(torch.equal, found, expected))


def test_batch_of_one_is_itself() -> None:
    mixed, soft = remix(torch.ones(1, 3), torch.tensor([2]), COUNTS, generator=generator())
    torch.testing.assert_close(mixed, torch.ones(1, 3))
    torch.testing.assert_close(soft, torch.eye(4)[2:3])


def test_counts_may_be_an_array_or_a_tensor() -> None:
    expected = remix(*four_classes(), COUNTS, generator=generator())
    for counts in (np.array(COUNTS), torch.tensor(COUNTS)):
        found = remix(*four_classes(), counts, generator=generator())
        assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: remix(*four_classes(), COUNTS, kappa=0.5), "kappa must be at least 1, got 0.5"),
        (lambda: remix(*four_classes(), COUNTS, tau=1.5), "tau must be at least 0 and at most 1, got 1.5"),
        (lambda: remix(*four_classes(), COUNTS, alpha=-1.0), "alpha must be positive, got -1.0"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
