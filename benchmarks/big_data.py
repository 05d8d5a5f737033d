"""How long large data take to start, and the most memory they need: a long image list, very many targets and classes.

Each part runs in a process of its own, whose peak memory is the operating system's. An image list of the size of
ImageNet-LT: seconds to its first batch, and how many files were opened by then. 10^8 targets of 10^5 classes: counts,
profiles, samplers up to their first million draws, losses and metrics.

    python benchmarks/big_data.py --out benchmarks/results/big_data.json
"""

from __future__ import annotations

import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from side_by_side import parser, take_turns, write

from tailwise.counts import ClassCounts
from tailwise.data.arrays import Arrays
from tailwise.data.config import DataConfig
from tailwise.data.loader import Batches, prepare
from tailwise.data.profiles import subset_indices, validation_counts
from tailwise.losses import LOSSES, build_loss, linear_loss
from tailwise.metrics import (
    BalancedAccuracy,
    ClasswiseCalibrationError,
    GeometricMean,
    MacroAUROC,
    ShotAccuracy,
    WorstClassRecall,
    classification_report,
    decision_report,
)
from tailwise.sampling import ClassBalancedBatchSampler, RebalancedSampler, RepeatFactorSampler
from tailwise.schedules import DeferredReweighting, PhasedProgressiveSampling, PhasedProgressiveWeights
from tailwise.weights import effective_number_weights, inverse_frequency_weights

IMAGENET_CLASSES = 1000
TEST_SHARE = 50_000 / 115_846
"""Test by training images of ImageNet-LT."""
PHOTOGRAPH = (500, 375)
LINKS = 1000
"""Names that one file has: a file system allows no more than some ten thousand."""
MILLION = 10**6
FEATURES = 64
BATCH = 64
SCORED = 1000
"""Samples of the report that takes logits."""
BINS = 256


def big_targets(samples: int, classes: int) -> NDArray[np.int64]:
    """(N,) labels in random order, class c about as often as (c + 1)^(-2/3)."""
    generator = np.random.default_rng(0)
    targets = np.empty(samples, dtype=np.int64)
    targets[:classes] = np.arange(classes)[:samples]
    for first in range(min(classes, samples), samples, MILLION):
        part = targets[first : first + MILLION]
        part[:] = classes * generator.random(len(part)) ** 3
    return targets


class Stopwatch:
    """Seconds of each step of a part."""

    def __init__(self) -> None:
        self.found: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.found[f"seconds: {name}"] = time.perf_counter() - began

    def result(self) -> dict[str, float]:
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        return {**self.found, "peak GB": kilobytes * 1024 / 1e9}


def first_million(draws: Any) -> None:
    for _ in itertools.islice(draws, MILLION):
        pass


def write_image_list(folder: Path, images: int) -> None:
    """Lists of ImageNet-LT, shortened or not, and its images: photographs in size, of which many are the same file."""
    generator = np.random.default_rng(0)
    root = folder / "imagenet-lt"
    for name, count in (("train", images), ("test", round(images * TEST_SHARE))):
        (root / name).mkdir(parents=True)
        labels = big_targets(count, IMAGENET_CLASSES)
        original = root
        for number in range(count):
            place = root / name / f"{number:06}.jpg"
            if number % LINKS == 0:
                original = place
                coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8))
                coarse.resize(PHOTOGRAPH).save(original, quality=90)
            else:
                os.link(original, place)
        lines = (f"{name}/{number:06}.jpg {label}\n" for number, label in enumerate(labels.tolist()))
        (root / f"ImageNet_LT_{name}.txt").write_text("".join(lines))


class OpenedImages:
    """Counts the images that this process opens."""

    def __init__(self) -> None:
        self.number = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".jpg"):
            self.number += 1


def image_list(turn: int, folder: str) -> dict[str, float]:
    opened, watch = OpenedImages(), Stopwatch()
    config = DataConfig.model_validate({"source": {"name": "imagenet-lt", "train_crop": "random-resized"}})
    began = time.perf_counter()
    with watch.step("lists and labels"):
        data = prepare(config, Path(folder))
    before = opened.number
    with watch.step("mean and deviation, from images spread over the list"):
        data.train.arrays.fitting_inputs()
    fitted = opened.number - before
    batches = iter(Batches(data.train.arrays, BATCH, torch.device("cpu")).shuffled(seed=0, epoch=0))
    with watch.step("first batch"):
        next(batches)
    started = time.perf_counter() - began
    first = opened.number
    with watch.step("second batch"):
        next(batches)
    counted = {"opened to read the lists": before, "opened for the mean": fitted}
    counted |= {"opened for the first batch": first - before - fitted, "opened for the second": opened.number - first}
    return {"seconds to the first batch": started, **counted, **watch.result()}


def counts_and_profiles(turn: int, samples: int, classes: int) -> dict[str, float]:
    targets, watch = big_targets(samples, classes), Stopwatch()
    with watch.step("counts, priors, groups"):
        counts = ClassCounts.from_targets(targets, classes)
        counts.groups(), counts.priors, counts.gini
    with watch.step("class weights and schedules"):
        effective_number_weights(counts)
        inverse_frequency_weights(counts)
        for schedule in (
            DeferredReweighting(counts, 3),
            PhasedProgressiveWeights(counts, 1, 4),
            PhasedProgressiveSampling(counts, 1, 4),
        ):
            schedule(3)
    names = tuple(map(str, range(classes)))
    with watch.step("a data set of them, checked"):
        data = Arrays(np.zeros((samples, 1), dtype=np.float32), targets, names)
    with watch.step("all samples, the natural profile"):
        subset_indices(targets, counts, 0)
    with watch.step("a tenth of each class held out"):
        held_out = subset_indices(targets, validation_counts(counts, 0.1), 0)
    with watch.step("the data set of these"):
        data.subset(held_out)
    return watch.result()


def sampler(turn: int, samples: int, classes: int, build: Callable[[NDArray[np.int64]], Any]) -> dict[str, float]:
    targets, watch = big_targets(samples, classes), Stopwatch()
    with watch.step("construction"):
        built = build(targets)
    with watch.step("a million draws"):
        first_million(iter(built))
    return watch.result()


def repeat_factors(targets: NDArray[np.int64]) -> RepeatFactorSampler:
    return RepeatFactorSampler(targets, threshold=1e-5)


def balanced_batches(targets: NDArray[np.int64]) -> Iterator[int]:
    return itertools.chain.from_iterable(ClassBalancedBatchSampler(targets, 64, 4))


def losses(turn: int, samples: int, classes: int) -> dict[str, float]:
    watch = Stopwatch()
    generator = torch.Generator().manual_seed(0)
    counts = ClassCounts.from_targets(big_targets(max(samples // 100, classes), classes), classes)
    features = torch.randn(BATCH, FEATURES, generator=generator)
    weight = torch.randn(classes, FEATURES, generator=generator).mul_(0.1).requires_grad_()
    target = torch.randint(classes, (BATCH,), generator=generator)
    for name, entry in LOSSES.items():
        with watch.step(name):
            loss = build_loss(name, counts, **({"epochs": 10} if "epochs" in entry.arguments else {}))
            if entry.cls.sums_samples and not entry.cls.needs_features and not entry.cls.gathered:
                linear_loss(features, weight, target, loss=loss).backward()
            else:
                further = (features,) if entry.cls.needs_features else ()
                loss(features @ weight.T, target, *further).backward()
    return watch.result()


def metrics(turn: int, samples: int, classes: int) -> dict[str, float]:
    watch = Stopwatch()
    target = big_targets(samples, classes)
    counts = ClassCounts.from_targets(target, classes)
    with watch.step("report of all predicted classes"):
        decision_report(np.roll(target, 1), target, counts)
    labels = torch.from_numpy(target[:SCORED].copy())
    del target
    logits = torch.randn(SCORED, classes, generator=torch.Generator().manual_seed(0))
    streamed: dict[str, Any] = {
        "BalancedAccuracy": BalancedAccuracy(classes),
        "GeometricMean": GeometricMean(classes),
        "WorstClassRecall": WorstClassRecall(classes),
        "ShotAccuracy": ShotAccuracy(counts),
        "ClasswiseCalibrationError": ClasswiseCalibrationError(classes),
        f"MacroAUROC, {BINS} bins": MacroAUROC(classes, bins=BINS),
    }
    for name, metric in streamed.items():
        with watch.step(f"{name} of {SCORED} samples, in batches"):
            for scores, rows in zip(logits.split(BATCH), labels.split(BATCH), strict=True):
                metric.update(scores, rows)
            metric.compute()
    streamed.clear()
    with watch.step(f"report of the logits of {SCORED} samples"):
        classification_report(logits, labels, counts)
    return watch.result()


def main(given: list[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, repeats=1)
    options.add_argument("--images", type=int, default=115_846)
    options.add_argument("--samples", type=int, default=10**8)
    options.add_argument("--classes", type=int, default=10**5)
    options.add_argument("--only", help="one part")
    options.set_defaults(threads=1)
    arguments = options.parse_args(given)
    many = {
        "counts and profiles": counts_and_profiles,
        "class-balanced sampler": partial(sampler, build=RebalancedSampler),
        "repeat-factor sampler": partial(sampler, build=repeat_factors),
        "class-balanced batches": partial(sampler, build=balanced_batches),
        "losses": losses,
        "metrics": metrics,
    }
    chosen = {name: part for name, part in many.items() if arguments.only in (None, name)}
    sizes = {"samples": arguments.samples, "classes": arguments.classes}
    runs = take_turns(chosen, arguments.repeats, arguments.threads, **sizes)
    if arguments.only in (None, "image list"):
        with tempfile.TemporaryDirectory() as folder:
            write_image_list(Path(folder), arguments.images)
            runs |= take_turns({"image list": image_list}, arguments.repeats, arguments.threads, folder=folder)
    result = {"images": arguments.images, **sizes, "repeats": arguments.repeats, "runs": runs}
    write(arguments.out, result)
    return result


if __name__ == "__main__":
    main()
