"""`tailwise tune` as a user types it: what it prints, what it leaves, how it fails."""

from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import tailwise.cli
from svg_texts import svg_texts
from tailwise.report.comparison import compare
from tailwise.report.runs import read_run

RECIPE = "digits/long-tailed-if20"
QUICK = ["--set", "training.epochs=3", "--set", "data.profile.max_count=40", "--set", "data.profile.imbalance_factor=4"]
SEARCH = ["tune", RECIPE, "--loss", "ce,focal", "--trials", "4", "--jobs", "1", "--threads", "1", "--device", "cpu"]


def run(patch: pytest.MonkeyPatch, *words: str | Path) -> int:
    patch.setattr(sys, "argv", ["tailwise", *map(str, words)])
    with pytest.raises(SystemExit) as exit_:
        tailwise.cli.main()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search, with its test on two seeds."""
    out = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, *SEARCH, "--final-seeds", "0-1", "--out", out, *QUICK) == 0
    return out


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "tune.json").read_text())
    return found


def test_report_holds_every_trial_and_the_best_is_the_best(tuned: Path) -> None:
    found = report(tuned)
    values = {trial["number"]: trial["verdict"]["value"] for trial in found["trials"]}
    assert len(values) == 4
    assert values[found["best"]] == max(values.values())
    assert found["commands"][0].startswith(f"tailwise tune {RECIPE} --loss ce,focal")
    assert found["methods"]["ce"]["default"] == values[0]
    assert set(found["within_standard_error"]) == {
        number for number, value in values.items() if max(values.values()) - value <= found["standard_error"]
    }


def test_choice_is_tested_beside_cross_entropy_on_all_training_samples(tuned: Path) -> None:
    found = report(tuned)
    methods = list(found["test"]["cells"])
    assert methods[0] == "ce"
    assert found["test"]["seeds"] == {method: [0, 1] for method in methods}
    for summary in (tuned / "final").rglob("summary.json"):
        counts = json.loads(summary.read_text())["class_counts"]
        assert (max(counts), min(counts)) == (40, 10)


def test_chosen_recipe_trains_to_the_reported_numbers(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commands that the report gives: the first method of best.yaml is the choice."""
    template = yaml.safe_load((tuned / "best.yaml").read_text())
    chosen = next(iter(template["methods"]))
    runs = []
    for seed in (0, 1):
        folder = tmp_path / f"{seed}"
        words = ["train", tuned / "best.yaml", "--seed", str(seed), "--threads", "1", "--device", "cpu"]
        assert run(monkeypatch, *words, "--out", folder) == 0
        runs.append(read_run(folder))
    cell = compare(runs, ["balanced_accuracy"]).cells[chosen]["balanced_accuracy"]
    assert cell.mean == report(tuned)["test"]["cells"][chosen]["balanced_accuracy"]["mean"]


def test_running_again_trains_nothing_and_prints_the_same(
    tuned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = {file: file.stat().st_mtime_ns for file in tuned.rglob("summary.json")}
    before = report(tuned)
    assert run(monkeypatch, *SEARCH, "--final-seeds", "0-1", "--out", tuned, *QUICK) == 0
    output = capsys.readouterr().out
    assert written == {file: file.stat().st_mtime_ns for file in tuned.rglob("summary.json")}
    assert report(tuned) == before
    assert "Chosen: trial" in output
    assert f"tailwise train {tuned / 'best.yaml'}" in output


def test_figures_name_the_methods_and_the_metric(tuned: Path) -> None:
    for figure in ("history.svg", "methods.svg"):
        words = " ".join(svg_texts(tuned / figure))
        assert "focal" in words
        assert "balanced accuracy, held-out samples, percent" in words
    page = (tuned / "tune.md").read_text()
    assert "(history.svg)" in page
    assert "## On the test set" in page
    assert "| trial | method |" in page


def test_another_choice_after_a_look_at_the_test_set_says_so(
    tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked = tuned / "final" / RECIPE / "sgpl-trial-99" / "seed-0"
    looked.mkdir(parents=True)
    (looked / "summary.json").write_text("{}")
    try:
        assert run(monkeypatch, *SEARCH, "--final-seeds", "0-1", "--out", tuned, *QUICK) == 0
    finally:
        (looked / "summary.json").unlink()
    assert "The test set was looked at before, for sgpl-trial-99" in " ".join(capsys.readouterr().out.split())


def test_search_without_a_test_leaves_the_test_set_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*SEARCH[:2], "--loss", "ce", "--trials", "1", "--jobs", "1", "--final-seeds", "none", "--out", tmp_path]
    assert run(monkeypatch, *words, *QUICK) == 0
    assert not (tmp_path / "final").exists()
    found = report(tmp_path)
    assert found["test"] is None
    assert found["commands"][1:] == [f"tailwise train {tmp_path / 'best.yaml'}"]
    with np.load(tmp_path / "trials/0000/fold-0/predictions.npz") as arrays:
        assert "targets" not in arrays


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--loss", "gpe"], "did you mean 'gppe'"),
        (["--metric", "f2"], "no metric is named 'f2'"),
        (["--metric", "accuracy_many"], "accuracy_many cannot be computed on these data"),
        (["--space", "gppe.alpha=1:0"], "the lower one first"),
        (["--final-seeds", "many"], "takes numbers and ranges"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_begins_nothing(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "tune", RECIPE, "--out", tmp_path / "out", *QUICK, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_missing_optuna_is_one_line_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_optuna(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "optuna":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_optuna)
    assert run(monkeypatch, "tune", RECIPE, "--out", tmp_path / "out", *QUICK) == 2
    assert 'pip install "tailwise[tune]"' in capsys.readouterr().err
