"""Tables of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.sources.messages import one_line
from tailwise.data.sources.csv import CSV
from tailwise.errors import InputError

FLOWERS = "width,kind,height\n1,rose,10\n2,iris,20\n3,rose,30.5\n-4e0,iris, 40\n"


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return written(tmp_path / "flowers.csv", FLOWERS)


def test_features_are_all_columns_but_the_target(flowers: Path) -> None:
    loaded = CSV(train=flowers, test=flowers, target="kind").load(None, "train")
    assert loaded.inputs.tolist() == [[1, 10], [2, 20], [3, 30.5], [-4, 40]]
    assert loaded.class_names == ("iris", "rose")
    assert loaded.targets.tolist() == [1, 0, 1, 0]


def test_listed_features_are_taken_in_their_order(flowers: Path) -> None:
    loaded = CSV(train=flowers, test=flowers, target="kind", features=("height", "width")).load(None, "train")
    assert loaded.inputs.tolist() == [[10, 1], [20, 2], [30.5, 3], [40, -4]]


def test_the_test_file_may_have_its_columns_in_another_order_and_more_of_them(flowers: Path, tmp_path: Path) -> None:
    test = written(tmp_path / "test.csv", "kind,height,id,width\nrose,5,x7,6\n")
    loaded = CSV(train=flowers, test=test, target="kind").load(None, "test")
    assert loaded.inputs.tolist() == [[6, 5]]
    assert loaded.targets.tolist() == [1]


def test_without_a_test_file_each_class_is_split(flowers: Path) -> None:
    parts = [CSV(train=flowers, target="kind", test_fraction=0.5).load(None, split) for split in ("train", "test")]
    assert [list(part.counts) for part in parts] == [[1, 1], [1, 1]]
    assert sorted(np.concatenate([part.inputs[:, 0] for part in parts]).tolist()) == [-4, 1, 2, 3]


def test_numeric_labels_are_in_numeric_order(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,grade\n1,10\n2,9\n")
    assert CSV(train=path, test=path, target="grade").load(None, "train").class_names == ("9", "10")


def test_labels_that_look_like_numbers_but_are_not_written_as_such_stay_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,code\n1,01\n2,1\n3,7\n")
    assert CSV(train=path, test=path, target="code").load(None, "train").class_names == ("01", "1", "7")


def test_white_space_around_labels_counts_for_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,kind\n1, rose\n2,rose \n3,\tiris\n")
    assert CSV(train=path, test=path, target="kind").load(None, "train").targets.tolist() == [1, 1, 0]
    path = written(tmp_path / "b.csv", "size,grade\n1, 10\n2,9 \n3,10\n")
    assert CSV(train=path, test=path, target="grade").load(None, "train").class_names == ("9", "10")


def test_a_label_beyond_64_bits_is_a_string(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,id\n1,99999999999999999999\n2,7\n")
    assert CSV(train=path, test=path, target="id").load(None, "train").class_names == ("7", "99999999999999999999")


def test_a_class_may_be_called_na(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,country\n1,NA\n2,DE\n")
    assert CSV(train=path, test=path, target="country").load(None, "train").class_names == ("DE", "NA")


def test_a_column_may_turn_from_whole_numbers_to_fractions_far_down(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "size,kind\n" + "1234567,a\n" * 150_000 + "0.5,b\n")
    assert path.stat().st_size > 2**20  # a type guessed from the first block of 1 MiB would be too narrow
    assert CSV(train=path, test=path, target="kind").load(None, "train").inputs[-1] == 0.5


def test_a_path_below_the_data_root_is_found(flowers: Path) -> None:
    loaded = CSV(train=Path("flowers.csv"), test=Path("flowers.csv"), target="kind").load(flowers.parent, "test")
    assert len(loaded.targets) == 4


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (FLOWERS, {"target": "species"}, "no column 'species'; its columns are width, kind, height"),
        (FLOWERS, {"features": ["depth"]}, "no column 'depth'; its columns are width, kind, height"),
        (FLOWERS, {"features": ["kind"]}, "at least one feature column besides the target 'kind'"),
        ("kind\nrose\n", {}, "at least one feature column besides the target 'kind'"),
        ("a,a,kind\n1,2,rose\n", {}, "two columns 'a'; rename one"),
        ("a,kind\n1,rose\n2,iris\nbig,iris\n", {}, "'big' in column 'a', row 2 (the first after the header is row 0)"),
        ("a,kind\n1,rose\ntrue,rose\n", {}, "'true' in column 'a', row 1"),
        ("a,b,kind\n1,2,rose\n1,,rose\n", {}, "an empty cell in column 'b', row 1"),
        ("a,kind\nnan,rose\n", {}, "features must be finite float32 numbers: fill the cell in"),
        ("a,kind\n1e39,rose\n", {}, "'1e39' in column 'a', row 0"),
        ("a,kind\n1,rose\n2,\n", {}, "no label in column 'kind', row 1"),
        ("a,kind\n1,rose\n2,  \n", {}, "no label in column 'kind', row 1"),
        ("a,kind\n1,rose\n2\n", {}, "not a readable CSV table"),
        ("a,kind\n", {}, "holds no samples"),
        ("a;b;kind\n1,5;2;rose\n", {}, "it seems to be separated by semicolons: save it with commas, and points in"),
        ("", {}, "not a readable CSV table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, content: str, options: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "a.csv", content)
    with pytest.raises(InputError, match=one_line(path, message)):
        CSV.model_validate({"train": path, "target": "kind", **options}).load(None, "train")


def test_a_label_only_the_test_file_has_is_refused(flowers: Path, tmp_path: Path) -> None:
    test = written(tmp_path / "test.csv", "width,height,kind\n1,2,rose\n1,2,tulip\n")
    with pytest.raises(InputError, match=one_line(test, "label tulip in row 1", "(iris, rose)")):
        CSV(train=flowers, test=test, target="kind").load(None, "test")


def test_a_feature_the_test_file_lacks_is_named(flowers: Path, tmp_path: Path) -> None:
    test = written(tmp_path / "test.csv", "width,kind\n1,rose\n")
    with pytest.raises(InputError, match=one_line(test, "no column 'height'")):
        CSV(train=flowers, test=test, target="kind").load(None, "test")
