"""CMO: labels against the pixels of both batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from mixing_cases import Told, coloured, generator, seen
from tailwise.mixing import cmo

TARGETS, PASTED = torch.arange(6), torch.arange(6, 12)


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_labels_are_the_shares_of_the_pixels(seed: int, per_sample: bool) -> None:
    mixed, soft = cmo(coloured(), TARGETS, coloured(first=6), PASTED, 12, 1.0, 1.0, generator(seed), per_sample)
    torch.testing.assert_close(soft, seen(mixed, 12))
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(6))


def test_box_is_of_the_foreground_in_the_same_place_of_its_batch() -> None:
    mixed, soft = cmo(coloured(), TARGETS, coloured(first=6), PASTED, 12, 1.0, 1.0, Told(0.75, 4, 6))
    expected = coloured()
    expected[:, :, 2:6, 3:9] = coloured(first=6)[:, :, 2:6, 3:9]
    assert torch.equal(mixed, expected)
    torch.testing.assert_close(soft, 0.75 * torch.eye(12)[:6] + 0.25 * torch.eye(12)[6:])


def test_so_many_batches_are_mixed_as_the_probability_says_and_the_others_left() -> None:
    source = generator()
    mixed = 0
    for _ in range(1000):
        images, soft = cmo(coloured(2, 4, 4), TARGETS[:2], coloured(2, 4, 4, 2), TARGETS[2:4], 4, 10.0, 0.5, source)
        torch.testing.assert_close(soft, seen(images, 4))
        mixed += not torch.equal(images, coloured(2, 4, 4))
    assert stats.binomtest(mixed, 1000, 0.5).pvalue > 1e-3


def test_without_a_generator_torch_decides() -> None:
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(cmo(coloured(), TARGETS, coloured(first=6), PASTED, 12, probability=1.0)[1])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cmo(coloured(), TARGETS, coloured(5), PASTED[:5], 12),
            r"as many and of the same kind as the inputs, torch.uint8 of shape \(6, 3, 8, 12\), got .* \(5, 3, 8, 12\)",
        ),
        (lambda: cmo(coloured(), TARGETS, coloured().float(), PASTED, 12), "got torch.float32 of shape"),
        (lambda: cmo(coloured(), TARGETS, coloured(), torch.eye(6), 12), "targets must be 6 int64 class indices"),
        (lambda: cmo(torch.eye(6), TARGETS, torch.eye(6), PASTED, 12), "of four dimensions"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
