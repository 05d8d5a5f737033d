"""Balanced mixup: shares of the two batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from mixing_cases import Told, generator
from tailwise.mixing import balanced_mixup

SHOWING = torch.eye(12)  # one-hot in the sample: a mixed one shows its two parts and their shares
TARGETS = torch.arange(6)
BATCHES = (SHOWING[:6], TARGETS, SHOWING[6:], TARGETS.flip(0))


@pytest.mark.parametrize("per_sample", [False, True])
def test_labels_are_mixed_as_the_inputs_are(per_sample: bool) -> None:
    mixed, soft = balanced_mixup(*BATCHES, 6, 1.0, generator(), per_sample)
    torch.testing.assert_close(
        soft, mixed[:, :6] @ torch.eye(6)[TARGETS] + mixed[:, 6:] @ torch.eye(6)[TARGETS.flip(0)]
    )
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(6))
    shares = mixed.diagonal(6)
    assert (mixed.diagonal() + shares).allclose(torch.ones(6))
    assert len(set(shares.tolist())) == (6 if per_sample else 1)


def test_share_is_that_of_the_balanced_sample() -> None:
    mixed, _ = balanced_mixup(*BATCHES, 6, generator=Told(0.25, 0, 0))
    torch.testing.assert_close(mixed, 0.75 * SHOWING[:6] + 0.25 * SHOWING[6:])


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_all_or_nothing_is_one_of_the_two_batches(lam: float) -> None:
    mixed, soft = balanced_mixup(*BATCHES, 6, generator=Told(lam, 0, 0))
    assert torch.equal(mixed, BATCHES[2] if lam else BATCHES[0])
    assert torch.equal(soft, torch.eye(6)[BATCHES[3] if lam else BATCHES[1]])


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_share_is_beta_distributed(alpha: float) -> None:
    labels = torch.zeros(4000, dtype=torch.long)
    batches = (torch.zeros(4000, 1, dtype=torch.float64), labels, torch.ones(4000, 1, dtype=torch.float64), labels)
    mixed, _ = balanced_mixup(*batches, 2, alpha, generator(), per_sample=True)
    assert stats.kstest(mixed[:, 0].numpy(), stats.beta(alpha, 1).cdf).pvalue > 1e-3


def test_raw_images_come_out_floating() -> None:
    images = torch.full((1, 3, 2, 2), 100, dtype=torch.uint8)
    mixed, soft = balanced_mixup(images, TARGETS[:1], images + 100, TARGETS[1:2], 3, generator=Told(0.25, 0, 0))
    torch.testing.assert_close(mixed, torch.full((1, 3, 2, 2), 125.0))
    torch.testing.assert_close(soft, torch.tensor([[0.75, 0.25, 0.0]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: balanced_mixup(*BATCHES, 6, alpha=0.0), "alpha must be positive, got 0.0"),
        (
            lambda: balanced_mixup(*BATCHES[:2], SHOWING, TARGETS, 6),
            "the partners must be as many and of the same kind",
        ),
        (lambda: balanced_mixup(BATCHES[0], SHOWING[:6], *BATCHES[2:], 6), "targets must be 6 int64 class indices"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
