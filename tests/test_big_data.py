"""Large data: nothing is opened before it is needed, and memory grows with the samples, not with classes x classes."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import matthews_corrcoef

from data.image_files import write_image
from tailwise.counts import ClassCounts
from tailwise.data import image_list
from tailwise.data.config import DataConfig
from tailwise.data.image_list import FITTED
from tailwise.data.loader import Batches, prepare
from tailwise.data.profiles import subset_indices
from tailwise.data.streaming import StreamedSamples
from tailwise.metrics import classification_report, decision_report
from tailwise.sampling import ClassBalancedBatchSampler, RepeatFactorSampler, SamplesByClass

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "big_data.py"
LISTED = 3000
BATCH = 8
SAMPLES, CLASSES = 10**6, 10**4


@pytest.fixture(scope="module")
def long_list(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """More lines than anyone reads; the images behind them are ten."""
    folder = tmp_path_factory.mktemp("list")
    for number in range(10):
        write_image(folder / f"{number}.jpg", 20 * number)
    for name, count in (("train", LISTED), ("test", 500)):
        (folder / f"{name}.txt").write_text("".join(f"{row % 10}.jpg {row % 7}\n" for row in range(count)))
    source = {"name": "image-list", "train": folder / "train.txt", "test": folder / "test.txt", "image_size": 8}
    return DataConfig.model_validate({"source": {**source, "resize": 8}})


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many images were decoded so far, by this process or those that it started since."""
    record, decode = tmp_path / "opened", image_list.decode_image
    record.touch()

    def recorded(name: str, *rest: Any, **more: Any) -> Any:
        with record.open("a") as file:
            file.write(".")
        return decode(name, *rest, **more)

    monkeypatch.setattr(image_list, "decode_image", recorded)
    return lambda: record.stat().st_size


def test_list_is_read_and_its_profile_drawn_without_opening_an_image(
    long_list: DataConfig, opened: Callable[[], int]
) -> None:
    data = prepare(long_list, None)
    data.fingerprint()
    assert len(data.train.arrays.targets) == LISTED
    assert opened() == 0
    data.train.arrays.fitting_inputs()
    assert opened() == FITTED


@pytest.mark.parametrize(("workers", "ahead"), [(0, 0), (2, 5)])
def test_no_image_is_decoded_long_before_its_batch(
    long_list: DataConfig, opened: Callable[[], int], workers: int, ahead: int
) -> None:
    """torch's loader gives each worker two batches to go on with, and one more when one is taken."""
    images = prepare(long_list, None).train.arrays
    batches = Batches(images, BATCH, torch.device("cpu"))
    assert isinstance(images, image_list.ImageList)
    batches.samples = StreamedSamples(images, torch.device("cpu"), workers)
    assert opened() == 0
    handed = batches.shuffled(seed=0, epoch=0)
    for number in range(1, 4):
        next(handed)
        assert number * BATCH <= opened() <= (number + ahead) * BATCH


def many_targets(samples: int = SAMPLES, classes: int = CLASSES) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Every class at least once."""
    drawn = (classes * np.random.default_rng(0).random(samples - classes) ** 3).astype(np.int64)
    return np.concatenate([drawn, np.arange(classes)])


@contextmanager
def at_most(bytes_a_sample: float) -> Iterator[None]:
    """What numpy and Python hold at most, beside what there was before."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] <= bytes_a_sample * SAMPLES
    finally:
        tracemalloc.stop()


def test_natural_profile_takes_no_memory_beside_its_indices() -> None:
    targets = many_targets()
    counts = ClassCounts.from_targets(targets)
    with at_most(9):
        subset_indices(targets, counts, seed=0)


def test_samplers_take_little_memory_beside_the_targets() -> None:
    targets = many_targets()
    with at_most(50):
        next(iter(RepeatFactorSampler(targets, threshold=1e-4)))
    with at_most(50):
        next(iter(ClassBalancedBatchSampler(targets, classes_per_batch=64, samples_per_class=4)))


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
def test_samples_are_sorted_by_more_classes_than_16_bits_number(dtype: type[np.integer[Any]]) -> None:
    targets = many_targets(200_000, 100_000).astype(dtype)
    np.testing.assert_array_equal(SamplesByClass(targets).indices, np.argsort(targets, kind="stable"))


def test_report_of_100_000_classes_needs_no_confusion_matrix() -> None:
    """It would take 80 GB."""
    generator = np.random.default_rng(0)
    present = generator.choice(100_000, 20, replace=False)
    target, predicted = (generator.choice(present, 80) for _ in range(2))
    predicted[:50] = target[:50]
    report = decision_report(predicted, target, np.ones(100_000, dtype=np.int64))
    assert report["mcc"] == pytest.approx(matthews_corrcoef(target, predicted), abs=1e-12)
    logits = torch.zeros(80, 100_000)
    logits[torch.arange(80), torch.from_numpy(predicted)] = 5
    scored = classification_report(logits, target, np.ones(100_000, dtype=np.int64))
    assert {name: scored[name] for name in report} == report
    confidence = float(logits[0].double().softmax(0).max())
    assert scored["ece"] == pytest.approx(abs(report["accuracy"] - confidence), abs=1e-6)


@pytest.mark.long
def test_image_list_and_10_to_the_8_targets_of_100_000_classes_stay_below_8_gb(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    subprocess.run([sys.executable, str(BENCHMARK), "--out", str(out)], check=True)
    runs = json.loads(out.read_text())["runs"]
    assert all(measured["peak GB"]["median"] < 8 for measured in runs.values())
    assert runs["image list"]["opened to read the lists"]["median"] == 0
    assert runs["image list"]["opened for the mean"]["median"] == FITTED
    assert runs["image list"]["opened for the first batch"]["median"] == 64
