"""Inspections of data sets made with known faults, and of real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tailwise.errors import InputError
from tailwise.inspection.findings import Inspection, inspect
from tailwise.inspection.target import data_config

PIXELS = np.random.default_rng(0)


def inspected(data: Path | str, *settings: str, root: Path | None = None, read_samples: bool = True) -> Inspection:
    return inspect(str(data), data_config(str(data), settings, root), root, read_samples)


def photograph(path: Path, size: tuple[int, int] = (64, 64)) -> Path:
    """A picture of its own: random, but smooth as pictures are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.fromarray(PIXELS.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    small.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders train and test of three classes with four faults."""
    for split, counts in {"train": {"cat": 9, "dog": 3, "yak": 1}, "test": {"cat": 3, "dog": 3}}.items():
        for name, count in counts.items():
            for number in range(count):
                photograph(tmp_path / split / name / f"{number}.png")
    (tmp_path / "train/dog/broken.png").write_bytes(b"no image")
    Image.open(tmp_path / "train/cat/0.png").save(tmp_path / "test/cat/copy.jpg", quality=90)
    Image.open(tmp_path / "train/cat/1.png").save(tmp_path / "train/yak/copy.png")
    return tmp_path


def test_faults_of_a_folder_are_found_and_named(folder: Path) -> None:
    found = inspected(folder)
    assert found.class_names == ("cat", "dog", "yak")
    assert (list(found.train), list(found.test)) == ([9, 4, 2], [4, 3, 0])
    assert (found.missing("train"), found.missing("test")) == ([], ["yak"])
    (broken,) = found.broken
    assert broken.sample.name == str(folder / "train/dog/broken.png")
    assert "broken.png is not a readable image" in broken.reason
    (leaked,) = found.leaked
    assert [leaked.first.name, leaked.second.name] == [
        str(folder / "train/cat/0.png"),
        str(folder / "test/cat/copy.jpg"),
    ]
    (contradicting,) = found.contradicting
    assert {contradicting.first.class_name, contradicting.second.class_name} == {"cat", "yak"}
    assert found.is_image
    assert found.shapes == {(32, 32, 3): 21}


def test_labels_alone(folder: Path) -> None:
    found = inspected(folder, read_samples=False)
    assert list(found.train) == [9, 4, 2]
    assert not found.is_read
    assert (found.broken, found.twins) == ((), ())


def test_progress_ends_with_all_that_can_be_read(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    inspect(str(folder), data_config(str(folder), [], None), None, on_progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (21, 22)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_images_of_several_sizes_in_parquet(tmp_path: Path) -> None:
    encoded = [photograph(tmp_path / f"{n}.png", (20 + 4 * (n % 2), 20)).read_bytes() for n in range(8)]
    encoded[5] = encoded[0]
    table = pa.table({"image": [{"bytes": data} for data in encoded], "label": [0, 1] * 4})
    pq.write_table(table, tmp_path / "t.parquet")
    found = inspected(tmp_path / "t.parquet", "data.source.test_fraction=0.5")
    assert found.shapes == {(20, 24, 3): 3, (20, 20, 3): 5}
    (pair,) = found.twins
    assert pair.contradict
    assert {pair.first.name, pair.second.name} == {f"row {row} of {tmp_path / 't.parquet'}" for row in (0, 5)}


def test_listed_images(tmp_path: Path) -> None:
    lines = [f"{photograph(tmp_path / f'{n}.png').name} {n % 2}" for n in range(8)] + ["gone.png 1"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = inspected(tmp_path / "list.txt", "data.source.image_size=16", "data.source.resize=16")
    (broken,) = found.broken
    assert broken.sample.name == str(tmp_path / "gone.png")


def test_equal_rows_of_a_table(tmp_path: Path) -> None:
    rows = ["a,b,label", *(f"{n},{n * n},{n % 2}" for n in range(10)), "3,9,0"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    found = inspected(tmp_path / "t.csv")
    assert not found.is_image
    (pair,) = found.twins
    assert pair.contradict


def test_classes_and_profile_of_a_recipe_are_those_that_are_trained_on(data_root: Path) -> None:
    found = inspected("gppe/mnist-3v5-50-1000", root=data_root, read_samples=False)
    assert found.class_names == ("5", "3")
    assert list(found.train) == [1000, 50]
    assert list(found.test) == [892, 1010]


def test_data_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,label\nx,1\n1,0\n")
    with pytest.raises(InputError, match=r"t\.csv"):
        inspected(tmp_path / "t.csv")


@pytest.mark.parametrize("turn", [1, -1])
def test_name_and_what_is_set_beside_it_may_come_in_any_order(turn: int) -> None:
    settings = ["data.profile.name=exponential", "data.profile.max_count=30", "data.profile.imbalance_factor=3"]
    profile = data_config("digits", settings[::turn], None).profile
    assert profile.model_dump(include={"name", "max_count"}) == {"name": "exponential", "max_count": 30}
