"""What DATA of `tailwise inspect` may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwise.errors import InputError
from tailwise.inspection.target import data_config


def table(path: Path, header: str) -> str:
    path.write_text(f"{header}\n1,2,0\n3,4,1\n")
    return str(path)


def test_names_of_data_sets_recipes_and_files(tmp_path: Path) -> None:
    assert data_config("mnist", [], None).source.name == "mnist"
    recipe = data_config("digits/long-tailed-if20", [], None)
    assert (recipe.source.name, recipe.profile.name) == ("digits", "exponential")
    (tmp_path / "photos").mkdir()
    folder = data_config(str(tmp_path / "photos"), ["data.source.image_size=64"], None)
    assert (folder.source.name, folder.source.image_size) == ("image-folder", 64)  # type: ignore[union-attr]
    for name, source in {"a.npz": "npz", "a.parquet": "parquet", "a.txt": "image-list"}.items():
        (tmp_path / name).touch()
        assert data_config(str(tmp_path / name), [], None).source.name == source
        assert data_config(name, [], tmp_path).source.name == source  # below the data root


def test_recipe_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nabout: x\nsettings: {data: {source: {name: digits}}, model: {name: mlp}, training: {epochs: 1}}\n"
        "methods: {ce: {}}\n"
    )
    assert data_config(str(file), [], None).source.name == "digits"


@pytest.mark.parametrize(
    ("header", "column"), [("a,b,label", "label"), ("y,Class,b", "Class"), (" Target ,b,c", " Target "), ("a,y,b", "y")]
)
def test_column_of_the_labels_is_known_by_its_name(header: str, column: str, tmp_path: Path) -> None:
    assert data_config(table(tmp_path / "t.csv", header), [], None).source.target == column  # type: ignore[union-attr]


def test_column_may_be_named(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "a,b,kind")
    assert data_config(path, ["data.source.target=kind"], None).source.target == "kind"  # type: ignore[union-attr]
    with pytest.raises(
        InputError, match=r"say which holds the labels with --set data.source.target=COLUMN \(there are a, b, kind\)"
    ):
        data_config(path, [], None)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ("mnits", (), "there is no file, folder, data set or recipe 'mnits'; did you mean mnist"),
        ("/no/such/folder", (), "`tailwise datasets` and `tailwise recipes` list the known"),
        ("mnist", ("model.name=mlp",), "inspect takes settings of the data alone"),
        ("mnist", ("data.source.path=x",), "data.source|path"),
        ("csv", (), "there is no file"),
    ],
)
def test_what_it_is_not_is_named(data: str, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        data_config(data, settings, None)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    with pytest.raises(
        InputError, match=r"must end in \.csv, \.parquet, \.npz, \.txt or \.yaml, or be a folder of images"
    ):
        data_config(str(tmp_path / "a.json"), [], None)
    (tmp_path / "a.csv").write_bytes(b"\x00\xff\x00")
    with pytest.raises(InputError, match=r"a\.csv"):
        data_config(str(tmp_path / "a.csv"), [], None)
