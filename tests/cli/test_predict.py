"""`tailwise predict` and `tailwise export` as a user types them."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import pytest
from PIL import Image

import tailwise
from cli_cases import Command, assert_one_line
from recipe_trees import quick_recipe
from tailwise.data.sources import SOURCES
from tailwise.prediction import output
from tailwise.recipes.catalog import load_recipe
from tailwise.training.engine import RunOptions, train

COUNT = 30
ON_CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "ce"
    train(quick_recipe("ce", 0, "data.validation_fraction=0.3"), path, RunOptions(threads=1, device="cpu"))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test digits as image files."""
    folder = tmp_path_factory.mktemp("photos")
    images = SOURCES["digits"]().load(None, "test").fitting_inputs()
    for number, image in enumerate(images[:COUNT]):
        Image.fromarray(image[..., 0]).save(folder / f"{number:02}.png")
    return folder


def test_few_files_are_a_table_with_what_one_should_know_below(
    run: Path, photos: Path, tailwise_command: Command
) -> None:
    code, shown, error = tailwise_command("predict", run, photos / "00.png", photos / "01.png", "--top", "2", *ON_CPU)
    assert code == 0, error
    assert "class_2" in shown
    expected = tailwise.load(run).predict_proba(photos / "00.png").max()
    assert f"{100 * expected:.2f}" in shown
    assert "Probabilities are calibrated" in shown


def test_many_files_are_lines_of_csv_in_the_order_of_their_names(
    run: Path, photos: Path, tailwise_command: Command
) -> None:
    code, shown, error = tailwise_command("predict", run, photos, "--batch-size", "7", *ON_CPU)
    assert code == 0
    assert "calibrated" in error
    rows = list(csv.DictReader(StringIO(shown)))
    assert [row["file"] for row in rows] == [str(photos / f"{number:02}.png") for number in range(COUNT)]
    predictor = tailwise.load(run)
    assert [row["class"] for row in rows] == predictor.predict(photos).tolist()
    np.testing.assert_allclose(
        [float(row["probability"]) for row in rows], predictor.predict_proba(photos).max(axis=1), rtol=1e-4
    )
    assert tailwise_command("predict", run, photos / "00.png", "-o", "-", *ON_CPU)[1].startswith(
        "file,class,probability\n"
    )


@pytest.mark.parametrize("suffix", output.FORMATS)
def test_every_format_holds_the_same(
    suffix: str, run: Path, photos: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    path = tmp_path / f"out/predictions{suffix}"
    code, shown, _ = tailwise_command("predict", run, photos, "-o", path, "--top", "3", "--probabilities", *ON_CPU)
    assert (code, shown.splitlines()[-1]) == (0, str(path))
    if suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif suffix == ".csv":
        rows = list(csv.DictReader(StringIO(path.read_text())))
    else:
        text = path.read_text()
        rows = json.loads(text) if suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    probabilities = tailwise.load(run).predict_proba(photos)
    found = np.array([[float(row[f"p_{name}"]) for name in range(10)] for row in rows])
    np.testing.assert_allclose(found, probabilities, rtol=1e-4)
    ranked = np.argsort(-probabilities, axis=1)[:, :3]
    assert [[row["class"], row["class_2"], row["class_3"]] for row in rows] == ranked.astype(str).tolist()
    assert list(path.parent.iterdir()) == [path]


def test_unreadable_file_is_named_and_the_others_are_predicted(
    run: Path, photos: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    (tmp_path / "broken.png").write_bytes(b"nonsense")
    out = tmp_path / "out.csv"
    code, _, error = tailwise_command("predict", run, photos / "00.png", tmp_path / "broken.png", "-o", out, *ON_CPU)
    assert code == 1
    assert f"tailwise: {tmp_path / 'broken.png'} is not a readable image" in error
    assert "1 file or row could not be read and is left out" in error
    assert [row["file"] for row in csv.DictReader(out.open())] == [str(photos / "00.png")]


def test_nothing_is_said_of_probabilities_where_nothing_could_be_predicted(
    run: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    for name in ("a.csv", "b.png"):
        (tmp_path / name).write_bytes(b"nonsense")
    code, shown, error = tailwise_command("predict", run, tmp_path / "a.csv", tmp_path / "b.png", *ON_CPU)
    assert (code, shown) == (1, "")
    lines = list(filter(None, error.splitlines()))
    assert lines[0].startswith(f"tailwise: {tmp_path / 'a.csv'}: this run was trained on images; give .")
    assert lines[1:] == [
        f"tailwise: {tmp_path / 'b.png'} is not a readable image; replace or remove it",
        "tailwise: 2 files or rows could not be read and are left out",
    ]


def test_rows_of_an_archive_are_numbered(run: Path, tmp_path: Path, tailwise_command: Command) -> None:
    images = SOURCES["digits"]().load(None, "test").fitting_inputs()[:4]
    np.savez(tmp_path / "new.npz", inputs=images)
    _, shown, _ = tailwise_command("predict", run, tmp_path / "new.npz", "-o", "-", *ON_CPU)
    assert [row["row"] for row in csv.DictReader(StringIO(shown))] == ["0", "1", "2", "3"]


def test_correction_of_a_whole_set_sees_all_files_at_once(run: Path, photos: Path, tailwise_command: Command) -> None:
    code, shown, error = tailwise_command(
        "predict", run, photos, "--posthoc", "rebalance", "--batch-size", "7", *ON_CPU
    )
    assert code == 0
    assert [row["class"] for row in csv.DictReader(StringIO(shown))] == tailwise.load(run, "rebalance").predict(
        photos
    ).tolist()
    assert "cannot classify single samples" in error


def test_table_trained_on_a_csv_predicts_a_csv(tmp_path: Path, tailwise_command: Command) -> None:
    generator = np.random.default_rng(0)
    rows = [(*generator.normal(2 * label, 1, 2), "ab"[label]) for label in (0, 1) for _ in range(40)]
    lines = "\n".join(f"{x:.3f},{y:.3f},{label}" for x, y, label in rows)
    (tmp_path / "train.csv").write_text(f"x,y,kind\n{lines}\n")
    (tmp_path / "mine.yaml").write_text(f"""
name: mine
about: two clouds
settings:
  data: {{source: {{name: csv, train: {tmp_path}/train.csv, target: kind}}}}
  model: {{name: mlp}}
  training: {{epochs: 20}}
methods: {{ce: {{}}}}
""")
    train(load_recipe(f"{tmp_path}/mine.yaml").resolve(), tmp_path / "run", RunOptions(threads=1, device="cpu"))
    (tmp_path / "new.csv").write_text("name,y,x\nfirst,-1,-1\nsecond,3,3\n")
    code, shown, _ = tailwise_command("predict", tmp_path / "run", tmp_path / "new.csv", "-o", "-", *ON_CPU)
    assert code == 0
    assert [(row["row"], row["class"]) for row in csv.DictReader(StringIO(shown))] == [("0", "a"), ("1", "b")]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--posthoc", "magic"], "no correction is named 'magic'"),
        (["--tau", "2"], "--tau 2 belongs to a correction"),
        (["-o", "out.xlsx"], "predictions are written as .csv, .parquet, .json, .jsonl, got 'out.xlsx'"),
        (["nowhere.png"], "there is no nowhere.png"),
        (["--posthoc", "rebalance"], "at least one for each class, got 1 for 10 classes"),
        (["--top", "0"], "--top"),
    ],
)
def test_predict_refuses_in_one_line(
    words: list[str], part: str, run: Path, photos: Path, tailwise_command: Command
) -> None:
    assert_one_line(tailwise_command("predict", run, photos / "00.png", *words, *ON_CPU), 2, part)


def test_file_that_is_not_finished_is_not_there(
    run: Path, photos: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("as before")
    result = tailwise_command("predict", run, photos / "00.png", "--posthoc", "rebalance", "-o", out, *ON_CPU)
    assert_one_line(result, 2, "at least one for each class")
    assert out.read_text() == "as before"
    assert list(tmp_path.iterdir()) == [out]


def test_export_writes_a_checked_file_and_says_so(
    run: Path, photos: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    out = tmp_path / "model.onnx"
    code, shown, error = tailwise_command("export", run, "-o", out, "--posthoc", "logit-adjustment")
    assert code == 0, error
    assert "10 classes. onnxruntime's probabilities differ from the run's by" in shown
    assert "Corrected by logit-adjustment, tau 1." in shown
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    image = np.asarray(Image.open(photos / "00.png"))[None, :, :, None]
    expected = tailwise.load(run, "logit-adjustment").predict_proba(photos / "00.png")
    np.testing.assert_allclose(session.run(["probabilities"], {"inputs": image})[0], expected, atol=1e-4)
    assert_one_line(tailwise_command("export", run, "-o", out, "--posthoc", "rebalance"), 2, "all samples at once")
