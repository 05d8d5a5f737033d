"""Caltech-101, in Parquet and as the folder it is published in."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.arrays import Arrays
from tailwise.data.sources.caltech101 import Caltech101, part_rows
from tailwise.errors import InputError

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def parts(data_root: Path) -> dict[str, Arrays]:
    return {part: Caltech101().load_part(data_root, part) for part in PARTS}


@pytest.fixture(scope="module")
def all_targets(data_root: Path) -> np.ndarray:
    return pq.read_table(data_root / "caltech101/all.parquet", columns=["label"])["label"].to_numpy()


def test_every_image_is_in_one_part(parts: dict[str, Arrays], all_targets: np.ndarray) -> None:
    rows = [part_rows(all_targets, part) for part in PARTS]
    assert np.sort(np.concatenate(rows)).tolist() == list(range(8677))
    assert [len(part.targets) for part in parts.values()] == [len(part) for part in rows]


def test_each_class_is_split_60_20_20(parts: dict[str, Arrays], all_targets: np.ndarray) -> None:
    counts = np.bincount(all_targets)
    assert (counts.min(), counts.max()) == (31, 800)
    assert list(parts["test"].counts) == np.rint(0.2 * counts).astype(int).tolist()
    assert (abs(parts["validation"].counts.counts - 0.2 * counts) < 1).all()
    assert (abs(parts["train"].counts.counts - 0.6 * counts) <= 1.5).all()
    assert [len(parts[part].targets) for part in PARTS] == [5201, 1740, 1736]


def test_images_keep_their_labels_and_are_brought_to_65_pixels(
    parts: dict[str, Arrays], all_targets: np.ndarray, data_root: Path
) -> None:
    table = pq.read_table(data_root / "caltech101/all.parquet")
    assert parts["train"].inputs.shape[1:] == (65, 65, 3)
    for part in PARTS:
        rows = part_rows(all_targets, part)
        assert parts[part].targets.tolist() == all_targets[rows].tolist()
        for place in (0, len(rows) // 2, -1):
            with Image.open(BytesIO(table["image"][rows[place]].as_py()["bytes"])) as image:
                expected = image.convert("RGB").resize((65, 65), Image.Resampling.BILINEAR)
            assert np.array_equal(parts[part].inputs[place], np.asarray(expected))


def test_the_published_folder_gives_the_same_split_without_the_background(data_root: Path, tmp_path: Path) -> None:
    table = pq.read_table(data_root / "caltech101/all.parquet").filter([row % 3 == 0 for row in range(8677)])
    names = Caltech101().load(data_root, "test").class_names
    for label, image in zip(table["label"].to_pylist(), table["image"].to_pylist(), strict=True):
        file = tmp_path / "unpacked/caltech101/101_ObjectCategories" / image["path"]
        assert file.parent.name == names[label]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image["bytes"])
    background = tmp_path / "unpacked/caltech101/101_ObjectCategories/BACKGROUND_Google"
    background.mkdir()
    Image.new("RGB", (9, 9)).save(background / "image_0001.jpg")
    (background / "tmp").touch()
    (tmp_path / "packed/caltech101").mkdir(parents=True)
    pq.write_table(table, tmp_path / "packed/caltech101/all.parquet")
    for part in PARTS:
        unpacked, packed = (Caltech101(image_size=16).load_part(tmp_path / at, part) for at in ("unpacked", "packed"))
        assert unpacked.class_names == packed.class_names == names
        assert unpacked.targets.tolist() == packed.targets.tolist()
        assert np.array_equal(unpacked.inputs, packed.inputs)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    for kind in ("ant", "bass"):
        folder = tmp_path / "101_ObjectCategories" / kind
        folder.mkdir(parents=True)
        for number in range(5):
            (folder / f"image_000{number}.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=one_line(tmp_path / "101_ObjectCategories", "is not a readable image")):
        Caltech101().load(tmp_path, "train")
