"""Time of training steps and of their parts, on made-up images: the same code as a run takes, nothing to download."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tailwise.bench.timing import in_turns
from tailwise.data.arrays import Arrays
from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.steps import AutoAugment, Crop, Cutout, Flip, StepModel, augment
from tailwise.data.loader import Batches
from tailwise.losses import build_loss
from tailwise.models.classifier import Classifier, build_classifier
from tailwise.recipes.optimizer_config import SGDConfig
from tailwise.training.optimization import build_optimizer

WEAK: tuple[StepModel, ...] = (Crop(), Flip())
STRONG: tuple[StepModel, ...] = (Crop(), Flip(), AutoAugment(), Cutout())
PARTS = ("loading", "augmentation", "forward", "loss", "backward", "update")
WARM_UP = 2
MATRIX = 1024
"""Rows of the square matrices whose product stands for what the processor can do."""


class Setting(NamedTuple):
    """A network on images of (height, width, channels), in batches, behind an augmentation."""

    name: str
    model: str
    shape: tuple[int, int, int]
    batch: int
    steps: tuple[StepModel, ...] = ()
    classes: int = 10


SETTINGS = (
    Setting("lenet, 28 x 28 grey", "lenet", (28, 28, 1), 100),
    Setting("resnet32, 32 x 32, crop and flip", "resnet32", (32, 32, 3), 128, WEAK),
    Setting("resnet32, 32 x 32, autoaugment and cutout", "resnet32", (32, 32, 3), 128, STRONG),
)


def measure_pipeline(repeats: int = 21, device: str = "cpu") -> list[dict[str, Any]]:
    """A row per augmentation of 32 x 32 images: images a second that loading and augmenting make, without a network."""
    rows = []
    for name, steps in {"none": (), "crop and flip": WEAK, "autoaugment and cutout": STRONG}.items():
        setting = Setting(name, "resnet32", (32, 32, 3), 128, steps)
        batches = _batches(setting, device)

        def run(batches: Iterator[tuple[Tensor, Tensor]] = batches, steps: tuple[StepModel, ...] = steps) -> None:
            augment(next(batches)[0], steps, batch_generator(0, 0, 0))

        seconds = statistics.median(in_turns({name: run}, repeats, 1, device)[name])
        rows.append({"augmentation": name, "milliseconds": 1e3 * seconds, "images_a_second": setting.batch / seconds})
    return rows


def measure_steps(
    settings: tuple[Setting, ...] = SETTINGS, repeats: int = 9, device: str = "cpu"
) -> list[dict[str, Any]]:
    """A row per setting: seconds of a whole step, images a second, each part's share, and the arithmetic of it.

    ``arithmetic_share`` is the time that the step's multiplications would take at the speed of a product of large
    matrices, measured here too, as a share of the time that the step takes.
    """
    speed = _products_a_second(device)
    return [_measure_step(setting, repeats, device, speed) for setting in settings]


def _measure_step(setting: Setting, repeats: int, device: str, products_a_second: float) -> dict[str, Any]:
    torch.manual_seed(0)
    batches = _batches(setting, device)
    classifier = _classifier(setting).to(device).train()
    loss = build_loss("balanced_softmax", [100 - number for number in range(setting.classes)]).to(device)
    optimizer = build_optimizer(SGDConfig(name="sgd", lr=0.01), classifier.parameters(), device)
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    for turn in range(-WARM_UP, repeats):
        clock = _Clock(device)
        inputs, targets = next(batches)
        clock.lap("loading")
        inputs = augment(inputs, setting.steps, batch_generator(0, 0, turn + WARM_UP))
        clock.lap("augmentation")
        optimizer.zero_grad()
        logits = classifier(inputs)
        clock.lap("forward")
        value = loss(logits, targets)
        clock.lap("loss")
        value.backward()
        clock.lap("backward")
        optimizer.step()
        clock.lap("update")
        if turn >= 0:
            for name, seconds in clock.laps.items():
                parts[name].append(seconds)
    whole = statistics.median(map(sum, zip(*parts.values(), strict=True)))
    medians = {name: statistics.median(seconds) for name, seconds in parts.items()}
    products = _products(setting)
    return {
        "setting": setting.name,
        "batch": setting.batch,
        "milliseconds": 1e3 * whole,
        "images_a_second": setting.batch / whole,
        "shares": {name: seconds / sum(medians.values()) for name, seconds in medians.items()},
        "gigaflop": products / 1e9,
        "arithmetic_share": products / products_a_second / whole,
    }


class _Clock:
    """Seconds between one lap and the next."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.laps: dict[str, float] = {}
        self._last = self._now()

    def lap(self, name: str) -> None:
        now = self._now()
        self.laps[name] = now - self._last
        self._last = now

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def _batches(setting: Setting, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless shuffled batches of as many images as ten batches hold."""
    pixels = np.random.default_rng(0)
    count = 10 * setting.batch
    inputs = pixels.integers(0, 256, (count, *setting.shape), dtype=np.uint8)
    targets = np.arange(count) % setting.classes
    names = tuple(str(label) for label in range(setting.classes))
    batches = Batches(Arrays(inputs, targets, names), setting.batch, torch.device(device))

    def endless() -> Iterator[tuple[Tensor, Tensor]]:
        for epoch in cycle(range(1000)):
            yield from batches.shuffled(0, epoch)

    return endless()


def _classifier(setting: Setting) -> Classifier:
    return build_classifier(torch.zeros(1, *setting.shape, dtype=torch.uint8), setting.classes, setting.model)


def _products(setting: Setting) -> float:
    """Floating-point operations of the matrix products and convolutions of a step, as torch counts them."""
    # In float64, which the compiled layers leave to torch's operations: it can count those.
    classifier = _classifier(setting).double()
    counter = FlopCounterMode(display=False)
    with counter:
        classifier(torch.zeros(2, *setting.shape, dtype=torch.uint8)).sum().backward()
    return counter.get_total_flops() / 2 * setting.batch


def _products_a_second(device: str) -> float:
    matrix = torch.randn(MATRIX, MATRIX, device=device)
    run: Callable[[], object] = lambda: matrix @ matrix  # noqa: E731
    return 2 * MATRIX**3 / min(in_turns({"product": run}, 9, 1, device)["product"])
