"""Idx files that are damaged or missing, and the hub that stands in for missing ones."""

from __future__ import annotations

import gzip
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.sources.fashion_mnist import FashionMNIST
from tailwise.data.sources.idx import IdxSource, read_idx
from tailwise.data.sources.mnist import MNIST
from tailwise.errors import InputError

LABELS = "t10k-labels-idx1-ubyte"
IMAGES = "t10k-images-idx3-ubyte"


@pytest.fixture
def labels(data_root: Path) -> bytes:
    return gzip.decompress((data_root / "mnist" / f"{LABELS}.gz").read_bytes())


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_files_are_found_unzipped_or_not_in_either_layout(
    data_root: Path, tmp_path: Path, labels: bytes, folder: str, end: str
) -> None:
    there = tmp_path / folder
    there.mkdir(parents=True)
    shutil.copy(data_root / "mnist" / f"{IMAGES}.gz", there)
    (there / f"{LABELS}{end}").write_bytes(gzip.compress(labels) if end else labels)
    assert MNIST().load(tmp_path, "test").counts[3] == 1010


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda labels: labels[:-1], "holds 9999 values where its header says 10000"),
        (lambda labels: labels + b"\0", "holds more than 10000 values where its header says 10000"),
        (lambda labels: labels[:7], "does not start as an idx file of unsigned bytes in 1 dimensions"),
        (lambda labels: b"", "does not start as an idx file"),
        (lambda labels: b"\0\0\x0d\x01" + labels[4:], "does not start as an idx file of unsigned bytes"),
        (lambda labels: b"\0\0\x08\x03" + labels[4:], "in 1 dimensions"),
        (lambda labels: b"<html>not found</html>", "does not start as an idx file"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, labels: bytes, damage: Callable[[bytes], bytes], message: str) -> None:
    path = tmp_path / LABELS
    path.write_bytes(damage(labels))
    with pytest.raises(InputError, match=one_line(path, message, "fetch it anew")):
        read_idx(path, dimensions=1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda zipped: zipped[: len(zipped) // 2],
        lambda zipped: zipped[:2000] + bytes(200) + zipped[2200:],
        lambda zipped: b"<html>not found</html>",
    ],
)
def test_a_damaged_gzip_file_is_named(tmp_path: Path, labels: bytes, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"{LABELS}.gz"
    path.write_bytes(damage(gzip.compress(labels)))
    with pytest.raises(InputError, match=one_line(path, "cannot be read", "fetch it anew")):
        read_idx(path, dimensions=1)


def test_images_and_labels_of_different_splits_are_refused(data_root: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    shutil.copy(data_root / "mnist" / f"{IMAGES}.gz", tmp_path / "mnist")
    shutil.copy(data_root / "mnist" / "train-labels-idx1-ubyte.gz", tmp_path / "mnist" / f"{LABELS}.gz")
    with pytest.raises(InputError, match=one_line(tmp_path / "mnist" / IMAGES, "got 10000 and 60000")):
        MNIST().load(tmp_path, "test")


PIXELS = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "hub_id"), [(MNIST(), "ylecun/mnist"), (FashionMNIST(), "zalando-datasets/fashion_mnist")]
)
def test_missing_files_are_fetched_from_the_hub(
    source: IdxSource,
    hub_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=source.class_names)})
    images = [Image.fromarray(pixels) for pixels in PIXELS]
    hub = datasets.Dataset.from_dict({"image": images, "label": [5, 0, 4, 1, 9, 2]}, features=columns)
    asked = []

    def load_dataset(path: str, split: str) -> datasets.Dataset:
        asked.append((path, split))
        return hub

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(type(source), "verify_download", lambda *_: None)
    with caplog.at_level(logging.INFO, logger="tailwise"):
        loaded = source.load(tmp_path, "test")
    assert asked == [(hub_id, "test")]
    assert np.array_equal(loaded.inputs, PIXELS[..., None])
    assert loaded.targets.tolist() == [5, 0, 4, 1, 9, 2]
    assert loaded.class_names == source.class_names
    assert hub_id in caplog.text
    assert capsys.readouterr() == ("", "")


def test_a_hub_that_cannot_be_reached_is_asked_once_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def sleep(seconds: float) -> None:
        pytest.fail("waits to repeat a request")

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", nowhere)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", nowhere)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", sleep)
    wanted = (f"{IMAGES}.gz", f"{LABELS}.gz", tmp_path / "mnist", "--data-root", "TAILWISE_DATA")
    with pytest.raises(InputError, match=one_line("refused", 'pip install "tailwise[hub]"', *wanted)):
        MNIST().load(tmp_path, "test")
    assert capfd.readouterr() == ("", "")
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_hub_that_cannot_be_reached_may_have_been_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=MNIST.class_names)})
    cached = datasets.Dataset.from_dict({"image": [Image.fromarray(PIXELS[0])], "label": [3]}, features=columns)

    def load_dataset(path: str, split: str) -> datasets.Dataset:
        assert huggingface_hub.constants.HF_HUB_OFFLINE
        return cached

    def dataset_info(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(MNIST, "verify_download", lambda *_: None)
    assert MNIST().load(tmp_path, "test").targets.tolist() == [3]


def test_published_samples_have_their_checksum_in_any_order(data_root: Path) -> None:
    published = MNIST().load(data_root, "test")
    MNIST().verify_download(published.subset(np.arange(len(published.targets))[::-1]), "test")


@pytest.mark.parametrize(
    ("source", "message"), [(MNIST(), "is not MNIST as it was published"), (FashionMNIST(), "1000 samples of each")]
)
def test_other_samples_under_the_name_of_the_data_set_are_refused(
    source: IdxSource, message: str, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = MNIST().load(data_root, "test").subset(np.arange(20))
    images = [Image.fromarray(image[..., 0]) for image in published.inputs]
    columns = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=source.class_names)})
    hub = datasets.Dataset.from_dict({"image": images, "label": published.targets.tolist()}, features=columns)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *args, **kwargs: None)
    monkeypatch.setattr(datasets, "load_dataset", lambda path, split: hub)
    with pytest.raises(InputError, match=one_line(message)):
        source.load(tmp_path, "test")


def test_what_fails_on_a_hub_that_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(path: str, split: str) -> datasets.Dataset:
        raise OSError("No space left on device\nsee the documentation")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *args, **kwargs: None)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError, match=one_line("No space left on device", 'pip install "tailwise[hub]"')):
        MNIST().load(tmp_path, "test")


def test_without_the_datasets_package_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    wanted = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", tmp_path / "fashion-mnist")
    with pytest.raises(InputError, match=one_line("datasets", 'pip install "tailwise[hub]"', *wanted)):
        FashionMNIST().load(tmp_path, "train")
