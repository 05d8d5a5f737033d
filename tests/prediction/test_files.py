"""New samples in files: read as the source of the run read its own, and what cannot be read is named."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data.image_files import write_noise
from data.sources.phcx_files import block, candidate, written
from small_data import SMALL_HTRU_SPLIT
from tailwise.data.image_list import ImageList
from tailwise.data.sources import SOURCES
from tailwise.errors import InputError
from tailwise.prediction.files import SampleReader, raise_first


def read(reader: SampleReader, *paths: Path, batch_size: int = 3) -> tuple[list[str], np.ndarray[Any, Any], list[str]]:
    """The samples, their inputs, and what was refused."""
    errors: list[str] = []
    chunks = list(reader.batches(reader.files(paths), batch_size, lambda error: errors.append(str(error))))
    assert all(0 < len(samples) <= batch_size for samples, _ in chunks)
    inputs = np.concatenate([arrays for _, arrays in chunks]) if chunks else np.empty(0)
    return [str(sample) for samples, _ in chunks for sample in samples], inputs, errors


def strange_images(folder: Path) -> list[Path]:
    """Files of every kind that is not plain colour: grey, palette, transparent, turned by EXIF, CMYK."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    colour = Image.fromarray(pixels[..., :3])
    turned = Image.Exif()
    turned[0x0112] = 6
    colour.save(folder / "turned.jpg", exif=turned)
    colour.convert("L").save(folder / "grey.png")
    colour.quantize(16).save(folder / "palette.png")
    Image.fromarray(pixels).save(folder / "transparent.png")
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("grayscale", [False, True])
def test_images_are_read_as_an_image_folder_reads_them(grayscale: bool, tmp_path: Path) -> None:
    files = strange_images(tmp_path / "train/a")
    write_noise(tmp_path / "train/b/b.png", 1)
    strange_images(tmp_path / "test/a")
    source = SOURCES["image-folder"].model_validate({"path": tmp_path, "image_size": 16, "grayscale": grayscale})
    expected = source.load(None, "test").fitting_inputs()
    names, inputs, errors = read(SampleReader(source, expected.shape[1:], None), tmp_path / "train/a", batch_size=2)
    np.testing.assert_array_equal(inputs, expected)
    assert (names, errors) == ([str(file) for file in files], [])


def test_images_are_framed_as_a_list_frames_them_in_testing(tmp_path: Path) -> None:
    files = [write_noise(tmp_path / f"{number}.png", number, (50, 40)) for number in range(4)]
    (tmp_path / "list.txt").write_text("\n".join(f"{file.name} {number % 2}" for number, file in enumerate(files)))
    settings = {"train": tmp_path / "list.txt", "test": tmp_path / "list.txt", "image_size": 20, "resize": 24}
    source = SOURCES["image-list"].model_validate({**settings, "train_crop": "random-resized"})
    listed = source.load(None, "test")
    assert isinstance(listed, ImageList)
    _, inputs, _ = read(SampleReader(source, (20, 20, 3), None), *files)
    np.testing.assert_array_equal(inputs, listed.decode(np.arange(4)))


def test_candidates_are_read_as_those_of_the_survey(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0)
    for kind, count in {"pulsars": 10, "RFI": 16}.items():
        for number in range(count):
            values = [pixels.integers(0, 256, (16, 32), dtype=np.uint8) for _ in range(2)]
            content = candidate(block("SubBands", values[1]), block("SubIntegrations", values[0]))
            written(tmp_path / "htru-medlat" / kind / f"{number:03}.phcx.gz", content)
    source = SOURCES["htru-medlat"].model_validate({"image": "both", "image_size": 8, **SMALL_HTRU_SPLIT})
    expected = source.load(tmp_path, "test").fitting_inputs()
    files = [
        *sorted((tmp_path / "htru-medlat/RFI").iterdir())[10:],
        *sorted((tmp_path / "htru-medlat/pulsars").iterdir())[6:],
    ]
    _, inputs, errors = read(SampleReader(source, (8, 8, 2), None), *files)
    np.testing.assert_array_equal(inputs, expected)
    assert errors == []


def test_images_that_cannot_be_read_are_named_and_lose_no_other(tmp_path: Path) -> None:
    good = [write_noise(tmp_path / f"{number}.png", number) for number in (1, 3, 4, 6)]
    (tmp_path / "2.png").write_bytes(b"nonsense")
    (tmp_path / "5.jpg").write_bytes(b"")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no image")
    source = SOURCES["image-folder"].model_validate({"path": tmp_path, "image_size": 8})
    names, inputs, errors = read(SampleReader(source, (8, 8, 3), None), tmp_path, batch_size=2)
    assert names == [str(file) for file in good]
    assert len(inputs) == 4
    assert [error.split(" is ")[0] for error in errors] == [str(tmp_path / "2.png"), str(tmp_path / "5.jpg")]
    with pytest.raises(InputError, match=r"2\.png is not a readable image"):
        list(SampleReader(source, (8, 8, 3), None).batches([tmp_path / "2.png"], 2, raise_first))


def test_image_of_another_size_is_refused_where_the_data_set_resizes_none(tmp_path: Path) -> None:
    right, wrong = write_noise(tmp_path / "a.png", 0, (28, 28)), write_noise(tmp_path / "b.png", 0, (30, 28))
    names, inputs, errors = read(SampleReader(SOURCES["mnist"](), (28, 28, 1), None), right, wrong)
    assert (names, inputs.shape) == ([str(right)], (1, 28, 28, 1))
    assert "28 x 30 pixels, but the network was trained on 28 x 28" in errors[0]


def test_columns_of_a_csv_are_found_by_name_and_broken_rows_left_out(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,b,a,class\nx, 2 ,1,?\ny,4,three,?\nz,,5,?\nw,8,7,?\nv,1e99,0,?\n")
    reader = SampleReader(SOURCES["csv"].model_validate({"train": "t.csv", "target": "class"}), (2,), ("a", "b"))
    names, inputs, errors = read(reader, tmp_path / "new.csv", batch_size=2)
    np.testing.assert_array_equal(inputs, [[1, 2], [7, 8]])
    assert inputs.dtype == np.float32
    assert names == [f"{tmp_path / 'new.csv'} row {row}" for row in (0, 3)]
    assert ["'three' in column 'a', row 1" in errors[0], "an empty cell in column 'b', row 2" in errors[1]] == [
        True,
        True,
    ]
    assert "'1e99' in column 'b', row 4" in errors[2]


def test_csv_is_read_as_its_source_reads_it(tmp_path: Path) -> None:
    cells = np.random.default_rng(0).normal(size=(9, 3)).astype(str)
    lines = [f"{','.join(row)},{'uv'[number % 2]}" for number, row in enumerate(cells)]
    (tmp_path / "table.csv").write_text("\n".join(["c,a,b,kind", *lines]))
    settings = {"train": tmp_path / "table.csv", "test": tmp_path / "table.csv", "target": "kind"}
    source = SOURCES["csv"].model_validate(settings)
    trained = source.load(None, "test")
    assert trained.feature_names == ("c", "a", "b")
    _, inputs, _ = read(SampleReader(source, (3,), trained.feature_names), tmp_path / "table.csv")
    np.testing.assert_array_equal(inputs, trained.fitting_inputs())


def test_csv_by_position_has_the_features_alone(data_root: Path) -> None:
    reader = SampleReader(SOURCES["htru2"](), (8,), None)
    with pytest.raises(InputError, match="has 9 columns but the network takes 8 features; give these columns alone"):
        list(reader.batches([data_root / "htru2/HTRU_2.csv"], 100, raise_first))


def test_csv_without_header_goes_by_position(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("1,2\n3,4\n")
    for names in (("a", "b"), None):
        _, inputs, _ = read(SampleReader(SOURCES["htru2"](), (2,), names), tmp_path / "new.csv")
        np.testing.assert_array_equal(inputs, [[1, 2], [3, 4]])


def test_table_in_parquet_and_in_a_data_frame_are_found_by_name(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"c": [0.5, 0.5, 0.5], "b": [2, 4, 6], "a": [1.0, None, 5.0]})
    frame.to_parquet(tmp_path / "new.parquet")
    reader = SampleReader(SOURCES["htru2"](), (2,), ("a", "b"))
    names, inputs, errors = read(reader, tmp_path / "new.parquet")
    np.testing.assert_array_equal(inputs, [[1, 2], [5, 6]])
    assert names == [f"{tmp_path / 'new.parquet'} row {row}" for row in (0, 2)]
    assert "row 1: features must be finite" in errors[0]
    np.testing.assert_array_equal(reader.arrays(frame.iloc[[0, 2]]), [[1, 2], [5, 6]])
    with pytest.raises(InputError, match="the data frame has no column 'a'; it needs a, b"):
        reader.arrays(frame[["b"]])


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ([1.0, "two", 3.0], "column 'a' of the data frame must hold numbers, got 'two' in row 1"),
        (["1", "2", "3"], "column 'a' of the data frame must hold numbers, got '1' in row 0"),
        (["2020-01-01"] * 3, "column 'a' of the data frame must hold numbers, got '2020-01-01' in row 0"),
        ([1.0, None, 3.0], "features must be finite float32 numbers, got nan in row 1, column 0"),
        ([1, 1e39, 3], "features must be finite float32 numbers, got inf in row 1, column 0"),
    ],
)
def test_cell_of_a_data_frame_that_is_no_number_is_named(column: list[object], part: str) -> None:
    pandas = pytest.importorskip("pandas")
    reader = SampleReader(SOURCES["htru2"](), (2,), ("a", "b"))
    with pytest.raises(InputError) as error:
        reader.arrays(pandas.DataFrame({"a": column, "b": [2, 4, 6]}))
    assert str(error.value) == part


def test_numbers_of_a_data_frame_may_be_objects_and_dates_may_not() -> None:
    pandas = pytest.importorskip("pandas")
    reader = SampleReader(SOURCES["htru2"](), (2,), ("a", "b"))
    frame = pandas.DataFrame({"a": pandas.Series([1, 2.5, True], dtype=object), "b": [2, 4, 6]})
    np.testing.assert_array_equal(reader.arrays(frame), [[1, 2], [2.5, 4], [1, 6]])
    with pytest.raises(InputError, match=r"column 'b' of the data frame must hold numbers, got .*2020-01-01"):
        reader.arrays(frame.assign(b=pandas.to_datetime(["2020-01-01"] * 3)))


def test_archive_needs_no_labels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", inputs=images)
    source = SOURCES["npz"].model_validate({"train": "t.npz"})
    names, inputs, _ = read(SampleReader(source, (6, 5, 1), None), tmp_path / "images.npz")
    np.testing.assert_array_equal(inputs[..., 0], images)
    assert names[-1] == f"{tmp_path / 'images.npz'} row 6"
    np.savez(tmp_path / "table.npz", inputs=[[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]])
    _, features, errors = read(SampleReader(source, (2,), None), tmp_path / "table.npz")
    np.testing.assert_array_equal(features, [[1, 2], [4, 5]])
    assert "table.npz row 1: features must be finite" in errors[0]


def test_parquet_of_images_is_read_as_its_source_reads_it(tmp_path: Path) -> None:
    encoded: list[dict[str, bytes] | None] = []
    for number in range(5):
        file = BytesIO()
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(file, "PNG")
        encoded.append({"bytes": file.getvalue()})
    table = {"photo": encoded, "label": [0, 1, 0, 1, 0]}
    pq.write_table(pa.table(table), tmp_path / "train.parquet")
    settings = {"train": tmp_path / "train.parquet", "test": tmp_path / "train.parquet", "image_column": "photo"}
    source = SOURCES["parquet"].model_validate({**settings, "image_size": 4})
    expected = source.load(None, "test").fitting_inputs()
    pq.write_table(pa.table({"photo": [*encoded[:2], None, {"bytes": b"x"}, *encoded[2:]]}), tmp_path / "new.parquet")
    names, inputs, errors = read(SampleReader(source, (4, 4, 3), None), tmp_path / "new.parquet")
    np.testing.assert_array_equal(inputs, expected)
    assert [name.rpartition(" ")[2] for name in names] == ["0", "1", "4", "5", "6"]
    assert ["no image bytes in row 2" in errors[0], "new.parquet row 3 is not a readable image" in errors[1]] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.npz", b"x", "is not a readable .npz file"),
        ("a.parquet", b"x", "is not a readable Parquet file"),
        ("a.csv", b"c,d\n1,2\n", "has no column 'a'; its columns are c, d"),
        ("a.csv", b"a,a,b\n1,2,3\n", "has two columns 'a'"),
        ("a.csv", b"a,b\n1,2,3\n", "is not a readable CSV table"),
        ("a.txt", b"x", "this run was trained on a table; give .csv, .npz, .parquet"),
    ],
)
def test_file_that_cannot_be_read_is_named_and_the_next_is_read(
    name: str, content: bytes, part: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.csv").write_text("a,b\n1,2\n")
    reader = SampleReader(SOURCES["htru2"](), (2,), ("a", "b"))
    _, inputs, errors = read(reader, tmp_path / name, tmp_path / "good.csv")
    np.testing.assert_array_equal(inputs, [[1, 2]])
    assert part in errors[0]


def test_paths_that_lead_to_nothing_are_refused(tmp_path: Path) -> None:
    reader = SampleReader(SOURCES["mnist"](), (28, 28, 1), None)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds no files that this run reads"):
        reader.files([tmp_path])
    with pytest.raises(InputError, match=r"there is no .*nowhere\.png; correct the path"):
        reader.files([tmp_path / "nowhere.png"])
    with pytest.raises(InputError, match="there is nothing to predict"):
        reader.files([])
