"""Idx files that are damaged or missing, and the hub that stands in for missing ones."""

from __future__ import annotations

import gzip
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import datasets
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
        (lambda labels: labels + b"\0", "holds 10001 values where its header says 10000"),
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
    with caplog.at_level(logging.INFO, logger="tailwise"):
        loaded = source.load(tmp_path, "test")
    assert asked == [(hub_id, "test")]
    assert np.array_equal(loaded.inputs, PIXELS[..., None])
    assert loaded.targets.tolist() == [5, 0, 4, 1, 9, 2]
    assert loaded.class_names == source.class_names
    assert hub_id in caplog.text
    assert capsys.readouterr() == ("", "")


def test_without_a_connection_the_message_says_which_files_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_dataset(path: str, split: str) -> datasets.Dataset:
        raise ConnectionError("Couldn't reach the Hub\nsee the documentation")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    wanted = (f"{IMAGES}.gz", f"{LABELS}.gz", tmp_path / "mnist", "--data-root", "TAILWISE_DATA")
    with pytest.raises(InputError, match=one_line("Couldn't reach the Hub", 'pip install "tailwise[hub]"', *wanted)):
        MNIST().load(tmp_path, "test")


def test_without_the_datasets_package_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    wanted = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", tmp_path / "fashion-mnist")
    with pytest.raises(InputError, match=one_line("datasets", 'pip install "tailwise[hub]"', *wanted)):
        FashionMNIST().load(tmp_path, "train")
