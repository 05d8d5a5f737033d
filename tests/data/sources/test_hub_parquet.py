"""Parquet files of well-known data sets."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.sources.hub_parquet import find_hub_parquet, read_hub_parquet
from tailwise.errors import InputError

NAMES = ("owl", "cat", "dog")
SHAPE = (3, 4, 3)


def png(value: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (4, 3), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def written(
    path: Path, labels: Any, names: list[str] | None = None, columns: tuple[str, str] = ("image", "label")
) -> Path:
    table = pa.table({columns[0]: [png(10 * row) for row in range(len(labels))], columns[1]: labels})
    if names is not None:
        features = {columns[1]: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("columns", [("image", "label"), ("img", "label"), ("img", "fine_label")])
def test_images_and_labels_are_found_by_their_usual_names(tmp_path: Path, columns: tuple[str, str]) -> None:
    loaded = read_hub_parquet(written(tmp_path / "a.parquet", [2, 0, 2], None, columns), NAMES, SHAPE)
    assert loaded.targets.tolist() == [2, 0, 2]
    assert loaded.inputs[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert loaded.class_names == NAMES


def test_names_in_the_file_count_more_than_its_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [0, 1, 1], ["cat", "owl"])
    assert read_hub_parquet(path, NAMES, SHAPE).targets.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 3], None, "labels must lie from 0 to 2 for 3 class names, got 3 in row 1"),
        ([0, 1], ["owl", "cow"], "has a class 'cow', which is none of this data set's"),
        (pa.array([], pa.int64()), None, "holds no samples"),
    ],
)
def test_other_classes_are_refused(tmp_path: Path, labels: Any, names: list[str] | None, message: str) -> None:
    path = written(tmp_path / "a.parquet", labels, names)
    with pytest.raises(InputError, match=one_line(path, message)):
        read_hub_parquet(path, NAMES, SHAPE)


def test_images_of_another_size_are_refused_unless_resized(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [0, 1])
    with pytest.raises(InputError, match=one_line(path, "images of shape (8, 8, 3), got (3, 4, 3)")):
        read_hub_parquet(path, NAMES, (8, 8, 3))
    assert read_hub_parquet(path, NAMES, (8, 8, 3), image_size=8).inputs.shape == (2, 8, 8, 3)


def test_what_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"no")
    with pytest.raises(InputError, match=one_line(path, "not a readable Parquet file")):
        read_hub_parquet(path, NAMES, SHAPE)


def test_the_hubs_own_file_name_is_found(tmp_path: Path) -> None:
    assert find_hub_parquet(tmp_path, "a", "test") is None
    (tmp_path / "a").mkdir()
    for name in ("test-00000-of-00001.parquet", "test.parquet"):
        (tmp_path / "a" / name).touch()
        assert find_hub_parquet(tmp_path, "a", "test") == tmp_path / "a" / name
