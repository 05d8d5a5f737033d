"""mixup: what the mixed samples and labels are made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats

from mixing_cases import batch, generator, parts
from tailwise.losses import CrossEntropyLoss
from tailwise.mixing import mixup
from tailwise.models.classifier import Standardize


@pytest.mark.parametrize("per_sample", [False, True])
def test_labels_are_mixed_as_the_inputs_are(per_sample: bool) -> None:
    inputs, targets = batch()
    mixed, soft = mixup(inputs, targets, 3, 1.0, generator(), per_sample)
    expected = torch.stack(
        [sum(share * torch.eye(3)[targets[a]] for a, share in parts(mixed, row).items()) for row in range(64)]  # type: ignore[misc]
    )
    torch.testing.assert_close(soft, expected)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(64))
    shares = {round(parts(mixed, row)[row], 5) for row in range(64) if len(parts(mixed, row)) == 2}
    assert len(shares) > 50 if per_sample else len(shares) == 1


def test_every_sample_is_the_partner_of_one() -> None:
    mixed, _ = mixup(*batch(), 3, 1.0, generator())
    torch.testing.assert_close(mixed.sum(dim=0), torch.ones(64))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_share_is_beta_distributed(alpha: float) -> None:
    source = generator()
    inputs, targets = torch.tensor([[1.0], [0.0]]).repeat(2000, 1), torch.zeros(4000, dtype=torch.long)
    mixed, _ = mixup(inputs, targets, 2, alpha, source, per_sample=True)
    lam = mixed[(mixed > 0) & (mixed < 1)].double().numpy()
    assert stats.kstest(lam, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_mixed_raw_images_standardise_to_the_mix_of_standardised_images() -> None:
    images = torch.randint(0, 256, (8, 5, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    standardize = Standardize.fitted(images)
    mixed, _ = mixup(images, torch.arange(8) % 3, 3, 1.0, generator())
    assert mixed.dtype == torch.float32
    assert mixed.shape == images.shape
    after, _ = mixup(standardize(images), torch.arange(8) % 3, 3, 1.0, generator())
    torch.testing.assert_close(standardize(mixed), after)


def test_generator_decides_and_without_one_torch_does() -> None:
    first, again, other = (mixup(*batch(), 3, 1.0, generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(mixup(*batch(), 3)[0])
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_loss_of_the_mix_is_the_mix_of_the_losses() -> None:
    """The published form: lam * loss(z, y_a) + (1 - lam) * loss(z, y_b)."""
    inputs, targets = batch(8)
    mixed, soft = mixup(inputs, targets, 3, 1.0, generator())
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    pairs = [parts(mixed, row) for row in range(8)]
    expected = sum(
        share * torch.nn.functional.cross_entropy(logits[row : row + 1], targets[a : a + 1])
        for row, pair in enumerate(pairs)
        for a, share in pair.items()
    )
    torch.testing.assert_close(CrossEntropyLoss()(logits, soft), expected / 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mixup(*batch(), 3, alpha=0.0), "alpha must be positive, got 0.0; leave mixing out"),
        (lambda: mixup(batch()[0], torch.eye(64), 64), r"targets must be 64 int64 class indices, got torch.float32"),
        (lambda: mixup(batch()[0], torch.zeros(3, dtype=torch.long), 3), r"got torch.int64 of shape \(3,\)"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
