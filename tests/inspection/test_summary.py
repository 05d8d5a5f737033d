"""The words, the recipe and the commands that an inspection ends with."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tailwise.data.profiles import exponential_counts
from tailwise.errors import InputError
from tailwise.inspection.advised_recipe import METHODS, advised_recipe, recipe_name
from tailwise.inspection.findings import inspect
from tailwise.inspection.problems import problems
from tailwise.inspection.summary import Summary, summarize
from tailwise.inspection.target import data_config
from tailwise.recipes.catalog import load_recipe
from tailwise.training.engine import RunOptions, train

PIXELS = np.random.default_rng(0)


def summary_of(data: str, *settings: str, root: Path | None = None, read_samples: bool = True) -> Summary:
    summary = summarize(inspect(data, data_config(data, settings, root), root, read_samples), settings)
    summary.write_recipe()
    return summary


def photographs(folder: Path, **counts: int) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            small = Image.fromarray(PIXELS.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            small.resize((64, 64), Image.Resampling.BICUBIC).save(folder / name / f"{number}.png")


def test_advised_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "my photos", cat=30, dog=10, yak=6)
    found = summary_of("my photos", "data.source.image_size=16")
    assert found.recipe == Path("my-photos.yaml")
    training, comparing = map(shlex.split, found.commands)
    assert training == ["tailwise", "train", "my-photos.yaml", "--loss", "balanced_softmax"]
    assert comparing == ["tailwise", "compare", "my-photos.yaml", "--seeds", "0-2"]
    template = load_recipe("my-photos.yaml")
    assert template.settings["data"]["source"]["image_size"] == 16
    phases = ("class_weights.start=0", "class_weights.end=1", "mixing.start=0", "mixing.end=1")
    for row in template.methods:  # as `compare` would, but shorter
        shorter = ("training.epochs=2", *(phases if row == "cri+ppl" else ()))
        recipe = template.resolve(row, 0, shorter)
        train(recipe, tmp_path / "runs" / row, RunOptions(device="cpu", threads=1))


def test_recipe_of_a_table_with_two_classes_holds_samples_out_for_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{a},{a + b},{int(b > 1.2)}" for a, b in PIXELS.normal(size=(400, 2))]
    Path("readings.csv").write_text("\n".join(["a,b,label", *rows]))
    found = summary_of("readings.csv")
    template = load_recipe(str(found.recipe))
    assert template.corrections["ce+thresholds"].posthoc == "thresholds"
    resolved = template.resolve("ce")
    assert resolved.data.validation_fraction == 0.2
    assert resolved.model.name == "mlp"


def test_every_method_that_may_be_advised_makes_a_recipe(tmp_path: Path) -> None:
    config = data_config("mnist", (), None)
    text = advised_recipe("x", "y", config, exponential_counts(10, 500, 100), "images", list(METHODS))
    (tmp_path / "x.yaml").write_text(text)
    template = load_recipe(str(tmp_path / "x.yaml"))
    assert [template.resolve(method).method for method in METHODS] == list(METHODS)


def test_recipe_is_trained_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = summary_of("digits/long-tailed-if20", "data.profile.imbalance_factor=10", read_samples=False)
    assert found.recipe is None
    assert list(tmp_path.iterdir()) == []
    training, comparing = map(shlex.split, found.commands)
    changed = ["--set", "data.profile.imbalance_factor=10"]
    assert training == ["tailwise", "train", "digits/long-tailed-if20", "--loss", "sgpl", *changed]
    assert comparing[:4] == ["tailwise", "compare", "digits/long-tailed-if20", "--loss"]
    assert comparing[4].split(",")[:2] == ["ce", "sgpl"]


def test_another_file_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summary_of("digits", read_samples=False)
    summary_of("digits", read_samples=False)  # the same again
    Path("digits.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"digits\.yaml is there already and differs; name another file with --recipe"):
        summary_of("digits", read_samples=False)
    assert Path("digits.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("data", "name"),
    [("mnist", "mnist"), ("../some dir/my.table.csv", "my-table"), ("/a/b/c.npz", "c"), ("Ünïcode.csv", "Ünïcode")],
)
def test_names_are_such_as_recipes_may_have(data: str, name: str) -> None:
    assert recipe_name(data) == name


def test_problems_are_named_with_what_mends_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "set/train", cat=12, dog=4)
    photographs(tmp_path / "set/test", cat=3)
    (tmp_path / "set/train/dog/broken.png").write_bytes(b"")
    Image.open("set/train/cat/0.png").save("set/test/cat/copy.png")
    Image.open("set/train/cat/1.png").save("set/train/dog/copy.png")
    found = problems(inspect("set", data_config("set", (), None), None))
    whats = [problem.what for problem in found]
    assert [what.partition(" (")[0] for what in whats[:4]] == [
        "1 sample cannot be read, and training would stop there",
        "1 test sample",
        "1 pair of nearly the same samples has different labels",
        "1 class",
    ]
    assert found[0].cases[0].startswith("set/train/dog/broken.png is not a readable image")
    assert found[1].cases == ("set/test/cat/copy.png (cat, test) and set/train/cat/0.png (cat, train)",)
    assert "no test sample" in whats[3]
    assert found[3].cases == ("dog",)


def test_text_has_counts_facts_problems_reasons_and_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photographs(tmp_path / "set", cat=40, dog=5)
    summary = summary_of("set")
    text = summary.text().plain + summary.next_steps().plain
    assert "cat  ████████████████████████████████████████ 32" in text
    assert "imbalance factor     8 (32 to 4 samples)" in text
    assert "2 classes (cat: 8, dog: 1) have fewer than 10 test samples" in text
    assert "Train gppe first, which is a guess for these data:" in text
    assert "there we have not tried balanced_softmax" in text
    assert "$ tailwise train set.yaml --loss gppe" in text
