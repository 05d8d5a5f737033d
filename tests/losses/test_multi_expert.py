"""The loss of several experts: each one's own loss, and the divergence from their mean."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.datasets import load_digits
from torch import Tensor, nn

from loss_cases import CASES, LossCase, counts_for
from tailwise.heads import ExpertHeads
from tailwise.losses import (
    ClassificationLoss,
    CrossEntropyLoss,
    CyclicalFocalLoss,
    FocalLoss,
    GALALoss,
    InfluenceBalancedLoss,
    LDAMLoss,
    LogitAdjustedLoss,
    MultiExpertLoss,
)
from tailwise.schedules import DeferredReweighting

COUNTS = counts_for(5)


def problem(experts: int = 3, samples: int = 12, classes: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, experts, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes, (samples,), generator=generator)


def softmax(logits: np.ndarray) -> np.ndarray:
    exps = np.exp(logits - logits.max())
    return np.asarray(exps / exps.sum())


def naive_divergence(logits: Tensor, temperatures: list[float]) -> list[float]:
    """Tbar^2 times the sum over the experts of KL, by scipy, of each sample."""
    tempered = logits.detach().numpy() / np.array(temperatures)
    square = float(np.mean(temperatures)) ** 2
    return [
        square * sum(float(entropy(softmax(sample.mean(axis=0)), softmax(own))) for own in sample)
        for sample in tempered
    ]


def class_temperatures(temperature: float, factor: float) -> list[float]:
    shares = [factor * len(COUNTS) * n / sum(COUNTS) + 1 - factor for n in COUNTS]
    return [temperature * share / max(shares) for share in shares]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_is_each_experts_loss_less_the_divergence_for_every_loss(case: LossCase) -> None:
    logits, target = problem()
    own = sum(case.expected(logits[:, e], target, COUNTS) for e in range(3))
    divergence = np.mean(naive_divergence(case.build(COUNTS).inference_logits(logits), [1.5] * 5))
    loss = MultiExpertLoss(case.build(COUNTS), 3, diversity=0.3, temperature=1.5)
    torch.testing.assert_close(loss(logits, target).item(), float(own) - 0.3 * divergence)
    # And by the compiled loop, where there is one, of rows that do not lie side by side.
    close = pytest.approx(float(own) - 0.3 * divergence, rel=1e-4, abs=1e-5)
    assert loss(logits.float(), target).item() == close


@pytest.mark.parametrize(("temperature", "factor"), [(1.0, 0.05), (2.0, 0.5)])
def test_temperatures_by_class_begin_at_their_epoch(temperature: float, factor: float) -> None:
    logits, target = problem()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3, COUNTS, 0.2, temperature, factor, start=2)
    own = sum(torch.nn.functional.cross_entropy(logits[:, e], target).item() for e in range(3))
    for epoch in range(4):
        loss.set_epoch(epoch)
        temperatures = [temperature] * 5 if epoch < 2 else class_temperatures(temperature, factor)
        expected = own - 0.2 * np.mean(naive_divergence(logits, temperatures))
        assert loss(logits, target).item() == pytest.approx(expected, rel=1e-10)


def test_without_a_start_the_temperatures_are_the_same_for_ever() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3, COUNTS, reweight_factor=0.9)
    before = loss(logits, target)
    loss.set_epoch(1000)
    assert torch.equal(loss(logits, target), before)


def test_ignored_samples_count_in_no_part() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(FocalLoss(ignore_index=7), 3)
    some = torch.tensor([1, 4, 11])
    ignored = target.clone()
    ignored[some] = 7
    kept = torch.tensor([row for row in range(12) if row not in some])
    torch.testing.assert_close(loss(logits, ignored), loss(logits[kept], target[kept]))
    logits.requires_grad_()
    loss(logits, ignored).backward()
    assert logits.grad is not None
    assert not logits.grad[some].any()
    assert loss(logits, torch.full((12,), 7)).item() == 0


def test_soft_target_of_one_class_is_the_hard_one_and_mixes_the_losses_alone() -> None:
    logits, target = problem()
    one_hot = torch.nn.functional.one_hot(target, 5).double()
    for inner in (CrossEntropyLoss(), LDAMLoss(COUNTS, scale=3.0)):
        loss = MultiExpertLoss(inner, 3)
        torch.testing.assert_close(loss(logits, one_hot), loss(logits, target))
    other = torch.nn.functional.one_hot((target + 1) % 5, 5).double()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3)
    mixed = 0.3 * loss(logits, one_hot) + 0.7 * loss(logits, other)
    torch.testing.assert_close(loss(logits, 0.3 * one_hot + 0.7 * other), mixed)


def test_reductions_agree() -> None:
    logits, target = problem()
    target[3] = -100
    each = MultiExpertLoss(CrossEntropyLoss(reduction="none"), 3)(logits, target)
    assert each.shape == (12,)
    assert each[3] == 0
    torch.testing.assert_close(MultiExpertLoss(CrossEntropyLoss(reduction="sum"), 3)(logits, target), each.sum())
    torch.testing.assert_close(MultiExpertLoss(CrossEntropyLoss(), 3)(logits, target), each.sum() / 11)


def test_class_weights_act_in_the_losses_and_not_in_the_divergence() -> None:
    logits, target = problem()
    weight = torch.tensor([1.0, 0.5, 2.0, 0.25, 3.0], dtype=torch.float64)
    loss = MultiExpertLoss(CrossEntropyLoss(), 3)
    loss.weight = weight
    assert loss.weight is weight
    own = sum(torch.nn.functional.cross_entropy(logits[:, e], target, weight).item() for e in range(3))
    expected = own - 0.2 * np.mean(naive_divergence(logits, [1.0] * 5))
    assert loss(logits, target).item() == pytest.approx(expected, rel=1e-10)
    loss.weight = DeferredReweighting(COUNTS, 0)(0)
    assert loss(logits, target).item() != pytest.approx(expected)
    loss.weight = None
    torch.testing.assert_close(loss(logits, target), MultiExpertLoss(CrossEntropyLoss(), 3)(logits, target))


@pytest.mark.parametrize(
    "inner", [CrossEntropyLoss(), LDAMLoss(COUNTS), GALALoss(5)], ids=lambda loss: loss._get_name()
)
def test_one_expert_is_the_plain_loss(inner: ClassificationLoss) -> None:
    logits, target = problem(experts=1)
    plain = copy.deepcopy(inner)
    torch.testing.assert_close(MultiExpertLoss(inner, 1, diversity=0)(logits, target), plain(logits[:, 0], target))
    with_diversity = MultiExpertLoss(inner.eval(), 1, diversity=5)(logits, target)
    torch.testing.assert_close(with_diversity, inner(logits[:, 0], target))


def test_order_of_the_experts_does_not_matter() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3)
    torch.testing.assert_close(loss(logits[:, [2, 0, 1]], target), loss(logits, target))


def test_gradient_is_that_of_the_formula_with_a_constant_mean() -> None:
    logits, target = problem(samples=4)
    loss = MultiExpertLoss(FocalLoss(), 3, COUNTS, diversity=0.4, start=0)
    logits.requires_grad_()
    (found,) = torch.autograd.grad(loss(logits, target), logits)
    mean = logits.detach().mean(dim=1)
    temperatures = torch.tensor(class_temperatures(1.0, 0.05), dtype=torch.float64)

    def frozen(given: Tensor) -> Tensor:
        value = sum(FocalLoss()(given[:, e], target) for e in range(3))
        p = (mean / temperatures).softmax(dim=1)
        for e in range(3):
            kl = (p * (p.log() - (given[:, e] / temperatures).log_softmax(dim=1))).sum(dim=1).mean()
            value = value - 0.4 * temperatures.mean() ** 2 * kl
        assert isinstance(value, Tensor)
        return value

    assert torch.autograd.gradcheck(frozen, (logits,))
    torch.testing.assert_close(found, torch.autograd.grad(frozen(logits), logits)[0])


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_logits_give_finite_losses_and_gradients(size: float) -> None:
    logits, target = problem()
    large = (size * logits).float().requires_grad_()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3, COUNTS, start=0)(large, target)
    loss.backward()
    assert large.grad is not None
    assert loss.isfinite()
    assert large.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    logits, target = problem()
    half = logits.to(dtype)
    loss = MultiExpertLoss(CrossEntropyLoss(), 3)
    assert loss(half, target).dtype == torch.float32
    torch.testing.assert_close(loss(half, target), loss(half.float(), target))


def test_each_expert_gathers_a_state_of_its_own_and_it_is_restored() -> None:
    logits, target = problem()
    inner = GALALoss(5)
    loss = MultiExpertLoss(inner, 3)
    loss(logits, target)
    for number, own in enumerate(loss.losses):
        alone = GALALoss(5)
        alone(logits[:, number], target)
        assert isinstance(own, GALALoss)
        torch.testing.assert_close(own.positive_gradient, alone.positive_gradient)
    assert not inner.positive_gradient.any()
    fresh = MultiExpertLoss(GALALoss(5), 3)
    assert not torch.allclose(fresh.eval()(logits, target), loss.eval()(logits, target))
    fresh.load_state_dict(loss.state_dict())
    torch.testing.assert_close(fresh(logits, target), loss(logits, target))


def test_each_expert_learns_a_strength_of_its_own() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(LogitAdjustedLoss(COUNTS, learnable=True), 3)
    loss(logits, target).backward()
    gradients = [parameter.grad for parameter in loss.parameters()]
    assert len(gradients) == 3
    assert len({float(gradient) for gradient in gradients if gradient is not None}) == 3


def test_features_reach_the_loss_of_their_expert() -> None:
    logits, target = problem()
    features = torch.rand(12, 3, 4, dtype=torch.float64)
    loss = MultiExpertLoss(InfluenceBalancedLoss(), 3, diversity=0)
    assert loss.needs_features
    own = sum(InfluenceBalancedLoss()(logits[:, e], target, features[:, e]) for e in range(3))
    torch.testing.assert_close(loss(logits, target, features), own)
    assert not MultiExpertLoss(CrossEntropyLoss(), 3).needs_features


def test_epoch_is_told_to_the_losses() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(CyclicalFocalLoss(epochs=10), 3, diversity=0).eval()
    alone = CyclicalFocalLoss(epochs=10).eval()
    for epoch in (0, 5):
        loss.set_epoch(epoch)
        alone.set_epoch(epoch)
        torch.testing.assert_close(loss(logits, target), sum(alone(logits[:, e], target) for e in range(3)))


def test_logits_to_predict_with_are_those_of_the_loss() -> None:
    logits, _ = problem()
    cosines = MultiExpertLoss(LDAMLoss(COUNTS, scale=16), 3)
    assert cosines.for_cosines
    torch.testing.assert_close(cosines.inference_logits(logits), 16 * logits)
    plain = MultiExpertLoss(CrossEntropyLoss(), 3)
    assert not plain.for_cosines
    assert plain.inference_logits(logits) is logits


def test_move_to_half_precision_keeps_the_counts_exact() -> None:
    loss = MultiExpertLoss(CrossEntropyLoss(), 3, [100_003, 2, 1], start=0).half()
    assert loss.class_counts is not None
    assert loss.class_counts.tolist() == [100_003, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_experts": 0}, "num_experts must be a whole number from 1 up, got 0"),
        ({"num_experts": 2, "diversity": -1}, "diversity must be at least 0, got -1"),
        ({"num_experts": 2, "diversity": math.inf}, "diversity must be at least 0 and a finite number, got inf"),
        ({"num_experts": 2, "temperature": 0}, "temperature must be above 0, got 0"),
        ({"num_experts": 2, "reweight_factor": 1}, "reweight_factor must be at least 0 and below 1, got 1"),
        ({"num_experts": 2, "start": -1}, "start must be a whole number from 0 up, got -1"),
        ({"num_experts": 2, "start": 3}, "start is 3, but temperatures by class need class_counts, got None; give the"),
        ({"num_experts": 2, "class_counts": [1, -1]}, "class_counts"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiExpertLoss(CrossEntropyLoss(), **arguments)


def test_what_is_no_loss_is_named() -> None:
    with pytest.raises(TypeError, match=r"loss must be a ClassificationLoss of tailwise\.losses, got CrossEntropyLoss"):
        MultiExpertLoss(nn.CrossEntropyLoss(), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "counts", "message"),
    [
        ((12, 5), None, r"logits must be of 3 experts and at least two classes, \(B, 3, C\), got shape \(12, 5\)"),
        ((12, 2, 5), None, r"logits must be of 3 experts .* got shape \(12, 2, 5\)"),
        ((12, 3, 1), None, r"at least two classes, .* got shape \(12, 3, 1\)"),
        ((12, 3, 5), [1, 2], "logits have 5 classes but class_counts of MultiExpertLoss has 2: give one entry"),
    ],
)
def test_logits_that_do_not_fit_are_named(shape: tuple[int, ...], counts: list[int] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiExpertLoss(CrossEntropyLoss(), 3, counts)(torch.zeros(shape), torch.zeros(12, dtype=torch.int64))


def test_features_targets_and_weights_that_do_not_fit_are_named() -> None:
    logits, target = problem()
    loss = MultiExpertLoss(CrossEntropyLoss(), 3)
    with pytest.raises(ValueError, match=r"features must be \(12, 3, F\), got shape \(12, 4\)"):
        loss(logits, target, torch.zeros(12, 4))
    with pytest.raises(TypeError, match="logits must be a tensor, got list"):
        loss(logits.tolist(), target)
    with pytest.raises(ValueError, match=r"target must be class indices of shape \(12,\)"):
        loss(logits, target[:3])
    with pytest.raises(ValueError, match="logits have 5 classes but weight of CrossEntropyLoss has 2"):
        MultiExpertLoss(CrossEntropyLoss(weight=[1, 2]), 3)(logits, target)


def disagreement(diversity: float) -> tuple[float, float]:
    """Mean divergence of held-out predictions from their mean, and accuracy of the mean, after a training on digits."""
    torch.manual_seed(0)
    given = load_digits()
    images, labels = torch.tensor(given.data / 16, dtype=torch.float32), torch.tensor(given.target)
    body = nn.Sequential(nn.Linear(64, 3 * 32), nn.ReLU(), nn.Unflatten(1, (3, 32)))
    network = nn.Sequential(body, ExpertHeads(nn.Linear(32, 10) for _ in range(3)))
    loss = MultiExpertLoss(CrossEntropyLoss(), 3, diversity=diversity)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss(network(images[:1000]), labels[:1000]).backward()
        optimizer.step()
    with torch.no_grad():
        logits = network(images[1000:])
    right = (logits.mean(dim=1).argmax(dim=1) == labels[1000:]).float().mean()
    return float(np.mean(naive_divergence(logits.double(), [1.0] * 10))), float(right)


def test_diversity_makes_trained_experts_differ_and_leaves_their_mean_right() -> None:
    trained = [disagreement(diversity) for diversity in (0.0, 0.2, 0.5)]
    alike, some, more = (apart for apart, _ in trained)
    assert 1.1 * alike < some < more / 1.2
    assert min(accuracy for _, accuracy in trained) > 0.9
