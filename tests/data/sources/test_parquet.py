"""Parquet files of images."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.arrays import Arrays
from tailwise.data.sources.parquet import Parquet
from tailwise.errors import InputError

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def png(value: int, size: tuple[int, int] = (4, 3)) -> bytes:
    file = BytesIO()
    Image.new("L", size, value).save(file, "PNG")
    return file.getvalue()


def written(path: Path, labels: Any, images: Any = None, names: list[str] | None = None) -> Path:
    """Grey images whose value is ten times their row."""
    images = [png(10 * row) for row in range(len(labels))] if images is None else images
    table = pa.table({"image": images, "label": labels})
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


@pytest.fixture(scope="module")
def cifar10(data_root: Path) -> Arrays:
    return Parquet(train=Path("cifar10/test.parquet"), test=Path("cifar10/test.parquet")).load(data_root, "train")


def test_names_nested_too_deeply_are_no_names(tmp_path: Path) -> None:
    table = pa.table({"image": [png(0), png(1)], "label": [0, 1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": "[" * 100_000}), tmp_path / "a.parquet")
    assert Parquet(train=Path("a.parquet"), test=Path("a.parquet")).load(tmp_path, "train").class_names == ("0", "1")


def test_cifar10_has_a_thousand_test_images_of_each_named_class(cifar10: Arrays) -> None:
    assert cifar10.class_names == CIFAR10
    assert list(cifar10.counts) == [1000] * 10
    assert cifar10.inputs.shape == (10_000, 32, 32, 3)


def test_cifar10_keeps_pixels_and_labels_of_each_row(cifar10: Arrays, data_root: Path) -> None:
    table = pq.read_table(data_root / "cifar10" / "test.parquet")
    assert cifar10.targets.tolist() == table["label"].to_pylist()
    for row in (0, 1, 2_500, 9_999):
        with Image.open(BytesIO(table["image"][row].as_py()["bytes"])) as image:
            assert np.array_equal(cifar10.inputs[row], np.asarray(image.convert("RGB")))


def test_cifar100_lacks_one_baby(data_root: Path) -> None:
    loaded = Parquet(
        train=Path("cifar100/train_lt_pool.parquet"), test=Path("cifar100/test.parquet"), image_size=8
    ).load(data_root, "test")
    assert loaded.num_classes == 100
    assert {name: count for name, count in zip(loaded.class_names, loaded.counts, strict=True) if count != 100} == {
        "baby": 99
    }


@pytest.fixture(scope="module")
def caltech(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 images of Caltech-101, which are of many sizes."""
    path = tmp_path_factory.mktemp("caltech") / "some.parquet"
    table = pq.ParquetFile(data_root / "caltech101" / "all.parquet").read_row_group(1)
    pq.write_table(table.take(np.linspace(0, len(table) - 1, 300).astype(int)), path)
    return path


def test_images_of_many_sizes_are_refused_without_an_image_size(caltech: Path) -> None:
    with pytest.raises(InputError, match=one_line(caltech, "row", "pixels, the first image", "set image_size")):
        Parquet(train=caltech).load(None, "train")


def test_images_of_many_sizes_are_brought_to_the_image_size(caltech: Path) -> None:
    train, test = (
        Parquet(train=caltech, image_size=65, grayscale=True).load(None, split) for split in ("train", "test")
    )
    assert train.inputs.shape[1:] == (65, 65, 1)
    assert train.num_classes == test.num_classes == 101
    expected = np.bincount(pq.read_table(caltech)["label"].to_numpy(), minlength=101)
    assert list(train.counts.counts + test.counts.counts) == expected.tolist()


def test_a_split_keeps_each_image_with_its_label(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [row % 2 for row in range(20)])
    for split in ("train", "test"):
        part = Parquet(train=path, test_fraction=0.3, grayscale=True).load(None, split)
        assert (part.inputs[:, 0, 0, 0] // 10 % 2 == part.targets).all()


@pytest.mark.parametrize(
    ("labels", "names", "class_names", "targets"),
    [
        ([5, 2, 5], None, ("2", "5"), [1, 0, 1]),
        (["owl", "cat", "owl"], None, ("cat", "owl"), [1, 0, 1]),
        (pa.array(["owl", "cat", "owl"]).dictionary_encode(), None, ("cat", "owl"), [1, 0, 1]),
        ([1, 0, 1], ["owl", "cat", "dog"], ("owl", "cat", "dog"), [1, 0, 1]),
        ([1, 0, 1], [], ("0", "1"), [1, 0, 1]),
    ],
)
def test_class_names_are_those_of_the_schema_or_else_the_sorted_labels(
    tmp_path: Path, labels: Any, names: list[str] | None, class_names: tuple[str, ...], targets: list[int]
) -> None:
    path = written(tmp_path / "a.parquet", labels, names=names)
    loaded = Parquet(train=path, test=path).load(None, "train")
    assert loaded.class_names == class_names
    assert loaded.targets.tolist() == targets


@pytest.mark.parametrize(
    ("labels", "names", "targets"), [([0, 1], ["dog", "cat"], [1, 0]), ([0, 1], None, [0, 1]), (["dog"], None, [1])]
)
def test_the_test_file_is_labelled_by_the_names_of_the_training_file(
    tmp_path: Path, labels: list[Any], names: list[str] | None, targets: list[int]
) -> None:
    train = written(tmp_path / "a.parquet", [0, 1], names=["cat", "dog"])
    test = written(tmp_path / "b.parquet", labels, names=names)
    loaded = Parquet(train=train, test=test).load(None, "test")
    assert loaded.class_names == ("cat", "dog")
    assert loaded.targets.tolist() == targets


def test_images_may_be_plain_binary_or_a_struct_under_any_column_name(tmp_path: Path) -> None:
    images = pa.array([{"bytes": png(7), "path": None}, {"bytes": png(9), "path": "b.png"}])
    pq.write_table(pa.table({"img": images, "raw": [png(7), png(9)], "fine": [0, 1]}), tmp_path / "a.parquet")
    for column in ("img", "raw"):
        source = Parquet(
            train=tmp_path / "a.parquet", test=tmp_path / "a.parquet", image_column=column, label_column="fine"
        )
        loaded = source.load(None, "train")
        assert loaded.inputs.shape == (2, 3, 4, 3)
        assert loaded.inputs[:, 0, 0, 0].tolist() == [7, 9]


@pytest.mark.parametrize(
    ("labels", "images", "names", "message"),
    [
        ([0, 1], [png(0), b"no image"], None, "row 1 is not a readable image"),
        ([0, 1], [png(0), None], None, "no image bytes in row 1"),
        ([0, 1], [{"bytes": png(0)}, None], None, "no image bytes in row 1"),
        ([0, 1], [png(0), png(0, (9, 9))], None, "row 1 has 9 x 9 pixels, the first image 3 x 4"),
        ([0, 1], [5, 6], None, "encoded bytes, or as a struct with a field bytes, got int64"),
        ([0, None], None, None, "no label in row 1"),
        ([0.5, 1.5], None, None, "integer or string labels, got double"),
        ([0, 2], None, ["cat", "dog"], "label 2 in row 1 but names 2 classes"),
        ([-1, 0], None, ["cat", "dog"], "label -1 in row 0 but names 2 classes"),
        ([0, 1], None, ["cat", "cat"], "'cat' twice"),
        (pa.array([], pa.int64()), pa.array([], pa.binary()), None, "holds no samples"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, labels: Any, images: Any, names: list[str] | None, message: str
) -> None:
    path = written(tmp_path / "a.parquet", labels, images, names)
    with pytest.raises(InputError, match=one_line(path, message)):
        Parquet(train=path, test=path).load(None, "train")


@pytest.mark.parametrize("option", ["image_column", "label_column"])
def test_a_missing_column_is_named(tmp_path: Path, option: str) -> None:
    path = written(tmp_path / "a.parquet", [0, 1])
    with pytest.raises(InputError, match=one_line(path, "no column 'picture'; its columns are image, label")):
        Parquet.model_validate({"train": path, "test": path, option: "picture"}).load(None, "train")


@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_file_is_named(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path / "a.parquet", [0, 1])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=one_line(path, "not a readable Parquet file")):
        Parquet(train=path).load(None, "train")
