"""The learning rate of each epoch, and the optimisers."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from lightning_fabric.plugins.precision import MixedPrecision
from pydantic import TypeAdapter

from tailwise.recipes.optimizer_config import LearningRateConfig, Optimizer
from tailwise.training.optimization import build_optimizer, learning_rate_factor


def factors(epochs: int, **config: Any) -> list[float]:
    return [learning_rate_factor(LearningRateConfig(**config), epoch, epochs) for epoch in range(epochs)]


def test_constant_stays() -> None:
    assert factors(3) == [1.0, 1.0, 1.0]


def test_warm_up_rises_linearly_to_one() -> None:
    assert factors(4, warmup_epochs=2) == [0.5, 1.0, 1.0, 1.0]


def test_step_multiplies_at_each_milestone() -> None:
    values = factors(200, name="step", milestones=[160, 180], gamma=0.1, warmup_epochs=5)
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert values[159] == 1.0
    assert values[160] == pytest.approx(0.1)
    assert values[180] == pytest.approx(0.01)


def test_cosine_falls_from_one_at_the_end_of_warm_up_to_almost_zero() -> None:
    values = factors(110, name="cosine", warmup_epochs=10)
    assert values[10] == 1.0
    assert values[60] == pytest.approx(0.5)
    assert values[109] == pytest.approx((1 + math.cos(math.pi * 0.99)) / 2)
    assert all(a > b for a, b in itertools.pairwise(values[10:]))


@pytest.mark.parametrize(("epochs", "first"), [(150, 0.7), (200, 1.2)])
def test_staircase_goes_down_a_tenth_every_ten_epochs_to_a_tenth(epochs: int, first: float) -> None:
    values = factors(epochs, name="staircase", start=80)
    assert values[:80] == [1.0] * 80
    stairs = [first - step / 10 for step in range((epochs - 80) // 10)]
    assert values[80:] == pytest.approx([stair for stair in stairs for _ in range(10)])
    assert values[-1] == pytest.approx(0.1)
    for counted_from_one in (81, 90, 91, epochs):
        published = 0.1 * ((epochs - counted_from_one) // 10) + 0.1
        assert values[counted_from_one - 1] == pytest.approx(published)


@pytest.mark.parametrize("fields", [{"name": "staircase"}, {"name": "cosine", "start": 80}])
def test_start_belongs_to_the_staircase(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="belongs to the staircase schedule, which needs it"):
        LearningRateConfig(**fields)


def scaled_step(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter, precision: MixedPrecision) -> None:
    precision.backward((weight * torch.tensor([30.0, 40.0])).sum(), None)
    precision.unscale_gradients(optimizer)
    torch.nn.utils.clip_grad_norm_([weight], 5.0)
    precision.optimizer_step(optimizer)


def test_optimizer_that_is_not_fused_takes_clipped_float16_gradients() -> None:
    """A fused one, which undoes the scale in its step, is refused by Fabric."""
    config = TypeAdapter(Optimizer).validate_python({"name": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0})
    weight = torch.nn.Parameter(torch.zeros(2))
    precision = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    scaled_step(build_optimizer(config, [weight], "cpu", fused=False), weight, precision)
    torch.testing.assert_close(weight.detach(), torch.tensor([-3.0, -4.0]))
    with pytest.raises(NotImplementedError, match="Gradient clipping"):
        scaled_step(build_optimizer(config, [weight], "cpu"), weight, precision)


@pytest.mark.parametrize(
    ("config", "reference"),
    [
        (
            {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
        ),
        (
            {"name": "adam", "lr": 1e-3, "betas": (0.5, 0.999), "weight_decay": 5e-4},
            lambda p: torch.optim.Adam(p, lr=1e-3, betas=(0.5, 0.999), weight_decay=5e-4),
        ),
        ({"name": "adamw", "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1)),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_optimizers_step_as_torch_says(config: dict[str, Any], reference: Any) -> None:
    ours, theirs = (torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    optimizers = [build_optimizer(TypeAdapter(Optimizer).validate_python(config), [ours], "cpu"), reference([theirs])]
    for _ in range(5):
        for parameter, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)
