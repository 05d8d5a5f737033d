"""The router: its gates, what they are to predict, its loss."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tailwise.routing import ExpertRouter, gate_targets


def batch(samples: int = 50, experts: int = 4, classes: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, features and targets."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(samples, experts, classes, generator=generator, dtype=torch.float64)
    features = torch.randn(samples, experts, 9, generator=generator, dtype=torch.float64)
    return logits, features, torch.randint(classes, (samples,), generator=generator)


def naive_target(of_sample: Tensor, label: int, first: int) -> bool:
    """Whether the first experts are wrong and some larger number of first experts is right."""
    sums = [[sum(of_sample[: i + 1, c].tolist()) for c in range(of_sample.shape[1])] for i in range(len(of_sample))]
    right = [max(range(len(s)), key=s.__getitem__) == label for s in sums]
    return not right[first] and any(right[first + 1 :])


def test_gate_is_to_ask_where_more_experts_are_right_and_these_are_not() -> None:
    logits, _, target = batch(300)
    found = gate_targets(logits, target).tolist()
    expected = [[naive_target(z, int(y), first) for first in range(3)] for z, y in zip(logits, target, strict=True)]
    assert found == expected
    assert {answer for row in expected for answer in row} == {True, False}


def naive_score(router: ExpertRouter, number: int, of_sample: Tensor, features: Tensor) -> float:
    mean = of_sample[: number + 1].mean(dim=0).tolist()
    x = features[number].tolist()
    length = math.sqrt(sum(f * f for f in x))
    layer = router.hidden[number]
    hidden = [
        max(0.0, sum(w * f / length for w, f in zip(row, x, strict=True)) + b)
        for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    ]
    seen = sorted(mean, reverse=True)[:5] + hidden
    return sum(v * s for v, s in zip(router.last.weight[0].tolist(), seen, strict=True)) + router.last.bias.item()


@pytest.mark.parametrize("classes", [3, 7])
def test_scores_and_loss_are_those_of_the_formula(classes: int) -> None:
    torch.manual_seed(0)
    logits, features, target = batch(classes=classes)
    router = ExpertRouter(4, 9, classes, positive_weight=3.0).double()
    scores = [[naive_score(router, number, z, x) for number in range(3)] for z, x in zip(logits, features, strict=True)]
    torch.testing.assert_close(router(logits, features), torch.tensor(scores, dtype=torch.float64))
    terms = [
        3 * math.log1p(math.exp(-s)) if naive_target(z, int(y), number) else math.log1p(math.exp(s))
        for z, y, row in zip(logits, target, scores, strict=True)
        for number, s in enumerate(row)
    ]
    loss = router.loss(logits, features, target)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_router_learns_when_to_ask() -> None:
    """The first expert is right where its features say so; the second one always is."""
    torch.manual_seed(0)
    target = torch.randint(5, (400,))
    hard = torch.rand(400) < 0.3
    wrong = torch.where(hard, (target + 1) % 5, target)
    logits = torch.stack([torch.nn.functional.one_hot(c, 5).float() for c in (wrong, target)], dim=1)
    logits[:, 1] *= 3
    features = torch.randn(400, 2, 6)
    features[hard, 0, 0] += 8
    router = ExpertRouter(2, 6, 5)
    optimizer = torch.optim.Adam(router.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        router.loss(logits, features, target).backward()
        optimizer.step()
    asks = router(logits, features)[:, 0] > 0
    assert (asks == hard).float().mean() > 0.97


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 9, 7), "num_experts must be a whole number from 2 up, got 1"),
        ((3, 0, 7), "num_features must be a whole number from 1 up, got 0"),
        ((3, 9, 0), "num_classes must be a whole number from 1 up, got 0"),
        ((3, 9, 7, 0.0), "positive_weight must be above 0, got 0.0"),
    ],
)
def test_router_that_cannot_be_is_named(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExpertRouter(*arguments)


def test_what_is_not_of_all_experts_is_named() -> None:
    logits, features, target = batch()
    router = ExpertRouter(4, 9, 7).double()
    with pytest.raises(ValueError, match=r"logits must be of 4 experts, \(B, 4, \.\.\.\), got shape \(50, 3, 7\)"):
        router(logits[:, :3], features)
    with pytest.raises(ValueError, match=r"features must be of 4 experts, .* got shape \(50, 9\)"):
        router(logits, features[:, 0])
    with pytest.raises(ValueError, match=r"target must be class indices of shape \(50,\), got torch.float64 of shape"):
        router.loss(logits, features, logits.mean(dim=1))
    with pytest.raises(ValueError, match=r"target must be class indices of shape \(50,\), got torch.int64 of shape"):
        router.loss(logits, features, target[:49])


def test_choosing_among_experts_that_were_all_asked_gives_what_asking_gives() -> None:
    torch.manual_seed(0)
    router = ExpertRouter(4, 6, 5)
    logits, features = 3 * torch.randn(500, 4, 5), torch.randn(500, 4, 6)
    asked = router.ask(lambda number, rows: (logits[rows, number], features[rows, number]), torch.arange(500))
    chosen = router.choose(logits, features)
    assert set(chosen[1].tolist()) == {1, 2, 3, 4}
    assert torch.equal(chosen[1], asked[1])
    torch.testing.assert_close(chosen[0], asked[0])
