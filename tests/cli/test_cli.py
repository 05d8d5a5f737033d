"""The command as a user types it: what it prints, what it leaves, how it fails."""

from __future__ import annotations

import errno
import gzip
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cli_cases import Command, assert_one_line
from recipe_trees import quick_recipe, stop_after
from svg_texts import svg_texts
from tailwise.cli import app
from tailwise.losses import LOSSES
from tailwise.posthoc import POSTHOC
from tailwise.recipes.catalog import catalog
from tailwise.report.evaluation import evaluate
from tailwise.training.engine import RunOptions, train
from tailwise.training.sweep import run_directory

QUICK = ["--set", "training.epochs=2", "--set", "data.profile.max_count=40"]
RECIPE = "digits/long-tailed-if10"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made by the installed command."""
    out = tmp_path_factory.mktemp("trained") / "run"
    command = [Path(sys.executable).with_name("tailwise"), "train", RECIPE, "--loss", "gppe", "--out", out, *QUICK]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "balanced accuracy" in finished.stdout
    assert "parameters" in finished.stdout
    return out


def test_train_records_the_command_that_was_typed(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["command"].startswith(f"tailwise train {RECIPE} --loss gppe --out")
    assert summary["epochs"] == 2


def test_train_again_is_refused_and_resume_shows_the_finished_run(trained: Path, tailwise_command: Command) -> None:
    again = ("train", RECIPE, "--loss", "gppe", "--out", trained, *QUICK)
    assert_one_line(tailwise_command(*again), 2, "holds a run already", "--resume")
    code, output, _ = tailwise_command(*again, "--resume")
    assert code == 0
    assert "balanced accuracy" in output


def test_compare_prints_and_writes_the_table_and_goes_on_where_it_was(
    tmp_path: Path, tailwise_command: Command
) -> None:
    words = ("compare", RECIPE, "--loss", "ce,sgpl", "--seeds", "0-1", "--out", tmp_path, "--jobs", "1", *QUICK)
    code, output, _ = tailwise_command(*words)
    assert code == 0
    assert "sgpl" in output
    assert "2 seeds" in output
    folder = tmp_path / RECIPE
    comparison = json.loads((folder / "comparison.json").read_text())
    assert comparison["seeds"] == {"ce": [0, 1], "sgpl": [0, 1]}
    assert "| ce |" in (folder / "comparison.md").read_text()
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}
    assert len(times) == 4
    assert tailwise_command(*words)[:2] == (code, output)
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("weights.safetensors")}


def test_corrected_row_needs_no_training_and_shows_what_evaluate_shows(
    tmp_path: Path, tailwise_command: Command
) -> None:
    code, output, error = tailwise_command(
        "compare", RECIPE, "--loss", "focal,ce+la,ce+pn", "--seeds", "0-1", "--jobs", "1", "--out", tmp_path, *QUICK
    )
    assert code == 0, error
    assert {path.name for path in (tmp_path / RECIPE).iterdir() if path.is_dir()} == {"focal", "ce"}
    assert "ce+pn: ce corrected by rebalance, tau 1." in " ".join(output.split())
    assert "it cannot classify single samples" in " ".join(output.split())
    comparison = json.loads((tmp_path / RECIPE / "comparison.json").read_text())
    assert list(comparison["cells"]) == ["focal", "ce+la", "ce+pn"]
    corrected = [
        evaluate(tmp_path / RECIPE / "ce" / f"seed-{seed}", "logit-adjustment", 1.0, "natural").corrected
        for seed in (0, 1)
    ]
    expected = np.mean([metrics["accuracy"] for metrics in corrected if metrics is not None])
    assert comparison["cells"]["ce+la"]["accuracy"]["mean"] == pytest.approx(expected)


def test_corrected_rows_take_the_arguments_of_their_correction(tmp_path: Path, tailwise_command: Command) -> None:
    (tmp_path / "mine.yaml").write_text("""
name: mine
about: digits
settings:
  data:
    source: {name: digits}
    profile: {name: exponential, imbalance_factor: 4, max_count: 60}
    validation_fraction: 0.3
  model: {name: mlp}
  training: {epochs: 5}
methods: {ce: {}}
corrections:
  uniform: {method: ce, posthoc: prior-shift, test_prior: uniform}
  adjusted: {method: ce, posthoc: logit-adjustment}
  cooler: {method: ce, posthoc: temperature}
  priced: {method: ce, posthoc: cost-sensitive, costs: [1, 1, 1, 1, 1, 1, 1, 1, 1, 9]}
""")
    code, output, error = tailwise_command(
        "compare", tmp_path / "mine.yaml", "--seeds", "0", "--jobs", "1", "--out", tmp_path
    )
    assert code == 0, error
    assert "uniform: ce corrected by prior-shift, uniform test prior." in " ".join(output.split())
    cells = json.loads((tmp_path / "mine/comparison.json").read_text())["cells"]
    accuracy = {row: cells[row]["accuracy"]["mean"] for row in cells}
    assert accuracy["uniform"] == pytest.approx(accuracy["adjusted"])
    assert accuracy["cooler"] == accuracy["ce"]
    priced = evaluate(tmp_path / "mine/ce/seed-0", "cost-sensitive", None, "natural", costs=[1] * 9 + [9]).corrected
    assert priced is not None
    assert accuracy["priced"] == pytest.approx(priced["accuracy"])


def test_training_a_correction_says_what_to_train_instead(tmp_path: Path, tailwise_command: Command) -> None:
    assert_one_line(
        tailwise_command("train", RECIPE, "--loss", "ce+pn", "--out", tmp_path),
        2,
        "ce+pn is ce, corrected after training: train ce, then `tailwise evaluate RUN --posthoc rebalance --tau 1`",
    )


def test_command_recorded_by_compare_makes_the_same_weights(tmp_path: Path, tailwise_command: Command) -> None:
    tailwise_command(
        "compare", RECIPE, "--loss", "ce", "--seeds", "3", "--out", tmp_path / "a", "--threads", "1", *QUICK
    )
    run = tmp_path / "a" / RECIPE / "ce/seed-3"
    recorded = json.loads((run / "summary.json").read_text())["command"]
    words = recorded.replace(str(tmp_path / "a"), str(tmp_path / "b")).split()[1:]
    assert tailwise_command(*words, "--threads", "1")[0] == 0
    copy = tmp_path / "b" / RECIPE / "ce/seed-3"
    assert (run / "weights.safetensors").read_bytes() == (copy / "weights.safetensors").read_bytes()


def test_compare_tells_of_failed_runs_and_shows_the_others(tmp_path: Path, tailwise_command: Command) -> None:
    words = ("compare", RECIPE, "--loss", "ce", "--seeds", "0", "--out", tmp_path, *QUICK)
    code, _, error = tailwise_command(*words, "--set", "optimizer.name=sgd", "--set", "optimizer.lr=1e30")
    assert code == 1
    assert "seed-0 failed: the loss became" in error


def test_evaluate_shows_plain_and_corrected_side_by_side(trained: Path, tailwise_command: Command) -> None:
    code, output, _ = tailwise_command("evaluate", trained, "--posthoc", "rebalance", "--tau", "0.7")
    assert code == 0
    assert "rebalance, tau 0.7" in output
    assert "whole test set at once" in output
    code, output, _ = tailwise_command("evaluate", trained, "--test-profile", "uniform")
    assert code == 0
    assert "uniform test set" in output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--tau", "3"], "--tau 3 belongs to a correction"),
        (["--posthoc", "rebalance", "--tau", "-1"], "--tau takes a number from 0 up or the word search, got '-1'"),
        (["--posthoc", "rebalance", "--tau", "best"], "--tau takes a number from 0 up or the word search, got 'best'"),
        (["--posthoc", "rebalance", "--tau", "search"], "train the run with --set data.validation_fraction=0.1"),
        (["--posthoc", "rebalance", "--tau", "inf"], "tau must be a finite number, got inf"),
        (["--posthoc", "logit-adjustment", "--tau", "1e308"], "logits must be finite"),
        (["--posthoc", "temperature", "--tau", "2"], "only with logit-adjustment or rebalance"),
    ],
)
def test_evaluate_refuses_a_tau_that_cannot_be_used(
    words: list[str], part: str, trained: Path, tailwise_command: Command
) -> None:
    assert_one_line(tailwise_command("evaluate", trained, *words), 2, part)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--posthoc", "calibrate"], ["no correction is named 'calibrate'; there are", "temperature"]),
        (["--metric", "f1"], ["--metric f1 belongs to a correction; add --posthoc thresholds"]),
        (["--posthoc", "rebalance", "--metric", "f1"], ["--metric f1 does not go with", "only with thresholds"]),
        (["--posthoc", "rebalance", "--test-prior", "uniform"], ["--test-prior uniform", "only with prior-shift"]),
        (["--posthoc", "cost-sensitive"], ["--posthoc cost-sensitive needs --costs"]),
        (["--posthoc", "cost-sensitive", "--costs", "none.txt"], ["--costs none.txt cannot be read", "No such file"]),
        (["--posthoc", "cost-sensitive", "--costs", "empty.txt"], ["--costs empty.txt is empty"]),
        (["--posthoc", "cost-sensitive", "--costs", "words.txt"], ["--costs words.txt holds more than numbers", "'b'"]),
        (["--posthoc", "cost-sensitive", "--costs", "uneven.txt"], ["rows of different lengths"]),
        (["--posthoc", "prior-shift", "--test-prior", "a,b"], ["--test-prior takes the word uniform", "'a,b'"]),
        (["--posthoc", "prior-shift", "--test-prior", "1,2"], ["test_prior must be", "10 finite frequencies"]),
        (["--posthoc", "prior-shift", "--test-prior", "words.txt"], ["--test-prior words.txt holds more than numbers"]),
        (["--posthoc", "temperature"], ["train the run with --set data.validation_fraction=0.1"]),
        (["--posthoc", "thresholds"], ["train the run with --set data.validation_fraction=0.1"]),
        (["--posthoc", "thresholds", "--metric", "acc"], ["metric must be", "'acc'"]),
    ],
)
def test_evaluate_refuses_options_that_a_correction_cannot_use(
    words: list[str],
    parts: list[str],
    trained: Path,
    tmp_path: Path,
    tailwise_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("words.txt").write_text("1, b\n")
    Path("uneven.txt").write_text("0 1\n1\n")
    assert_one_line(tailwise_command("evaluate", trained, *words), 2, *parts)


@pytest.mark.parametrize(
    ("content", "option", "words"),
    [
        ("1 1 1 1 1 1 1 1 1 9\n", "--costs", ["--posthoc", "cost-sensitive"]),
        ("1\n" * 9 + "\n9\n", "--costs", ["--posthoc", "cost-sensitive"]),
        (
            "\n".join(", ".join(str((i != j) * (9 if i == 9 else 1)) for j in range(10)) for i in range(10)),
            "--costs",
            ["--posthoc", "cost-sensitive"],
        ),
    ],
)
def test_costs_are_read_from_a_line_a_column_or_a_matrix(
    content: str, option: str, words: list[str], trained: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    (tmp_path / "costs.txt").write_text(content)
    code, output, error = tailwise_command("evaluate", trained, *words, option, tmp_path / "costs.txt")
    assert code == 0, error
    expected = evaluate(trained, "cost-sensitive", None, "natural", costs=[1] * 9 + [9])
    assert expected.found is not None
    assert expected.found in output
    assert "assumes that the probabilities are calibrated" in output


def test_test_prior_is_uniform_a_list_or_a_file(trained: Path, tmp_path: Path, tailwise_command: Command) -> None:
    (tmp_path / "prior.txt").write_text("2\n" * 10)
    shown = []
    for given in ("uniform", "1,1,1,1,1,1,1,1,1,1", tmp_path / "prior.txt"):
        code, output, error = tailwise_command("evaluate", trained, "--posthoc", "prior-shift", "--test-prior", given)
        assert code == 0, error
        shown.append([line.split("│")[-2].strip() for line in output.splitlines() if "│" in line])
    assert shown[0] == shown[1] == shown[2]
    code, output, _ = tailwise_command("evaluate", trained, "--posthoc", "prior-shift")
    assert code == 0
    assert "test logits at once" in output


def test_evaluate_learns_a_correction_on_the_validation_split(tmp_path: Path, tailwise_command: Command) -> None:
    held_out = ("--set", "data.validation_fraction=0.2")
    assert tailwise_command("train", RECIPE, "--loss", "ce", "--out", tmp_path / "run", *QUICK, *held_out)[0] == 0
    code, output, _ = tailwise_command("evaluate", tmp_path / "run", "--posthoc", "rebalance", "--tau", "search")
    assert code == 0
    assert "has the best balanced accuracy on the run's" in output
    assert "whole test set at once" in output
    code, output, _ = tailwise_command("evaluate", tmp_path / "run", "--posthoc", "temperature")
    assert code == 0
    assert "has the best likelihood on the run's" in output
    words = ("--posthoc", "thresholds", "--metric", "balanced_accuracy")
    code, output, _ = tailwise_command("evaluate", tmp_path / "run", *words)
    assert code == 0
    assert "best for balanced accuracy on the run's" in output


def test_evaluate_says_when_the_loss_has_the_adjustment_already(tmp_path: Path, tailwise_command: Command) -> None:
    tailwise_command("train", RECIPE, "--loss", "balanced_softmax", "--out", tmp_path / "run", *QUICK)
    _, output, _ = tailwise_command("evaluate", tmp_path / "run", "--posthoc", "logit-adjustment")
    assert "trained with balanced_softmax" in output
    assert "likely to make it worse" in output


def test_evaluate_says_that_a_gala_run_is_not_to_be_logit_adjusted(tmp_path: Path, tailwise_command: Command) -> None:
    tailwise_command("train", RECIPE, "--loss", "gala", "--out", tmp_path / "run", *QUICK)
    _, output, _ = tailwise_command("evaluate", tmp_path / "run", "--posthoc", "logit-adjustment")
    assert "trained with gala" in output
    assert "likely to make it worse" in output
    _, output, _ = tailwise_command("evaluate", tmp_path / "run", "--posthoc", "rebalance")
    assert "likely to make it worse" not in output


def test_lists_name_everything_there_is(tailwise_command: Command) -> None:
    _, recipes, _ = tailwise_command("recipes")
    assert all(name in recipes for name in catalog())
    assert "GPPE F1 .9802" in recipes
    _, losses, _ = tailwise_command("losses")
    assert all(entry.cls.__name__ in losses for entry in LOSSES.values())
    _, datasets, _ = tailwise_command("datasets")
    assert all(name in datasets for name in ("digits", "mnist", "fashion-mnist", "htru2", "image-folder", "parquet"))


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_losses_show_writes_the_figure_and_prints_where(ending: str, tmp_path: Path, tailwise_command: Command) -> None:
    path = tmp_path / f"views/view.{ending}"
    words = ("losses", "show", "gppe", "ce", "--counts", "1000,50,20", "--set", "gppe.alpha=-1", "--out", path)
    assert tailwise_command(*words) == (0, f"{path}\n", "")
    start = path.read_bytes()[:100]
    assert start.startswith(b"\x89PNG") if ending == "png" else b"<?xml" in start


def test_losses_show_writes_to_the_working_directory_by_default(
    tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tailwise_command("losses", "show", "focal") == (0, "loss-curves.png\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["loss-curves.png"]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["gpe"], ["no loss is named 'gpe'", "did you mean 'gppe'"]),
        ([], ["Missing argument"]),
        (["gppe", "--out", "view.pdf"], [".png or .svg", "'view.pdf'"]),
        (["gppe", "--out", "view"], [".png or .svg"]),
        (["gppe", "--out", "file/view.png"], ["cannot write to file/view.png", "--out"]),
        (["gppe", "--counts", "many"], ["--counts takes whole numbers", "'many'"]),
        (["gppe", "--counts", "50,50"], ["must differ"]),
        (["gppe", "--set", "gppe.alpa=1"], ["gppe has no setting 'alpa'", "alpha"]),
        (["gppe", "--set", "gppe.alpha=steep"], ["alpha", "'steep'"]),
        (["gppe", "--set", "alpha=1"], ["LOSS.ARGUMENT=VALUE", "'alpha=1'"]),
        (["gppe", "--set", "focal.gamma=1"], ["focal, which is not drawn"]),
    ],
)
def test_losses_show_refuses_in_one_line_and_writes_nothing(
    words: list[str], parts: list[str], tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert_one_line(tailwise_command("losses", "show", *words), 2, *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `tailwise compare --out` leaves it: three methods, two seeds, and one run that was interrupted."""
    out = tmp_path_factory.mktemp("compared")
    for method, seed in itertools.product(("ce", "focal", "gppe"), (0, 1)):
        recipe = quick_recipe(method, seed)
        train(recipe, run_directory(out, recipe), RunOptions(threads=1, device="cpu"))
    interrupted = quick_recipe("gppe", 2)
    with pytest.raises(KeyboardInterrupt):
        train(
            interrupted,
            run_directory(out, interrupted),
            RunOptions(threads=1, device="cpu", on_epoch=stop_after(1)),
        )
    return out


def test_rank_prints_ranks_and_tests_and_draws_the_diagram(
    compared: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    figure = tmp_path / "figures/ranks.svg"
    code, output, error = tailwise_command("rank", compared, "--out", figure)
    assert code == 0, error
    assert error == f"tailwise: {compared}/digits/long-tailed-if20/gppe/seed-2 is not finished and left out\n"
    words = " ".join(output.split())
    assert "Average ranks of 5 methods by balanced accuracy" in words
    assert "2 blocks, one for each seed of 1 recipe" in words
    assert "the tests speak of new seeds of this recipe, not of other data" in words
    assert "Friedman's test" in words
    assert "ce+pn: ce corrected by rebalance, tau 1." in words
    assert output.endswith(f"{figure}\n")
    labels = " ".join(svg_texts(figure))
    assert all(method in labels for method in ("ce", "focal", "gppe", "ce+la", "ce+pn"))


def test_rank_shows_the_means_of_the_runs_and_of_corrected_ones(
    compared: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    words = ("rank", compared / "digits", "--loss", "ce,focal", "--correction", "ce=rebalance", "--metric", "accuracy")
    code, output, error = tailwise_command(*words, "--out", tmp_path / "ranks.png")
    assert code == 0, error
    rows = {row[1].strip(): row[3].strip() for row in (line.split("│")[1:-1] for line in output.splitlines()) if row}
    assert set(rows) == {"ce", "focal", "ce+rebalance"}
    runs = [compared / "digits/long-tailed-if20/ce" / f"seed-{seed}" for seed in (0, 1)]
    evaluations = [evaluate(run, "rebalance", 1.0, "natural") for run in runs]
    assert rows["ce"] == f"{100 * np.mean([one.plain['accuracy'] for one in evaluations]):.2f}"
    assert rows["ce+rebalance"] == f"{100 * np.mean([(one.corrected or {})['accuracy'] for one in evaluations]):.2f}"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--loss", "ce,gppe"], ["at least 3 methods, got ce, gppe"]),
        (["--loss", "ce,focal,gpe"], ["no run is of a method 'gpe': did you mean 'gppe'?"]),
        (["--loss", "ce,ce"], ["--loss takes different names"]),
        (["--metric", "acuracy"], ["no metric is named 'acuracy'"]),
        (["--correction", "rebalance"], ["--correction takes METHOD=POSTHOC"]),
        (["--correction", "asl=rebalance"], ["no run is of a method 'asl'"]),
        (["--correction", "ce=temperature"], ["has no validation samples"]),
        (["--blocks", "recipe"], ["at least 2 blocks, got digits/long-tailed-if20 alone"]),
        (["--test", "wilcoxon"], ["need at least 9 blocks for 5 methods, got 2", "--test nemenyi"]),
        (["--out", "ranks.pdf"], [".png or .svg", "'ranks.pdf'"]),
        (["--out", "file/ranks.png"], ["cannot write to file/ranks.png", "--out"]),
        (["nowhere"], ["there is no folder nowhere"]),
    ],
)
def test_rank_refuses_in_one_line_and_writes_nothing(
    words: list[str],
    parts: list[str],
    compared: Path,
    tmp_path: Path,
    tailwise_command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert_one_line(tailwise_command("rank", compared, *words), 2, *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_report_writes_a_page_and_says_where_and_how_large(
    compared: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    page = tmp_path / "pages/all.html"
    code, output, error = tailwise_command("report", compared, "-o", page, "--correction", "focal=rebalance")
    assert code == 0, error
    assert output.split("\n")[-2] == f"{page} ({page.stat().st_size / 1e6:.1f} MB)"
    text = page.read_text()
    assert 'data-method="focal+rebalance"' in text
    assert "tailwise: digits/" in error  # what is not on the page
    assert [file.name for file in page.parent.iterdir()] == ["all.html"]


def test_report_goes_to_the_working_directory_by_default(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tailwise_command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    code, output, _ = tailwise_command("report", trained)
    assert code == 0
    assert output.startswith("report.html (")
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["nowhere"], ["no folder nowhere"]),
        (["empty"], ["empty has no finished run"]),
        (["broken"], ["broken/summary.json is no summary of a run"]),
        (["RUNS", "-o", "empty"], ["--out empty is a folder", "empty/report.html"]),
        (["RUNS", "-o", "page.pdf"], [".html", "'page.pdf'"]),
        (["RUNS", "-o", "file/page.html"], ["cannot write to file/page.html", "file is a file"]),
        (["RUNS", "--metric", "acuracy"], ["'acuracy'", "did you mean 'accuracy'?"]),
        (["RUNS", "--reference", "asl"], ["no finished run of 'asl'", "there are"]),
        (["RUNS", "--correction", "ce"], ["METHOD=POSTHOC", "'ce'"]),
    ],
)
def test_report_refuses_in_one_line_and_writes_nothing(
    words: list[str],
    parts: list[str],
    compared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tailwise_command: Command,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/summary.json").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    given = [compared if word == "RUNS" else word for word in words]
    assert_one_line(tailwise_command("report", *given), 2, *parts)
    assert sorted(tmp_path.rglob("*")) == before


def test_command_line_loads_what_a_command_needs_when_it_runs() -> None:
    script = "import sys, tailwise.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "pydantic", "torchmetrics", "sklearn"} & set(loaded)


@pytest.mark.parametrize("command", ["losses", "losses show", *(str(each.name) for each in app.registered_commands)])
def test_help_of_each_command_shows_an_example(command: str, tailwise_command: Command) -> None:
    code, output, _ = tailwise_command(*command.split(), "--help")
    assert code == 0
    assert f"Example: tailwise {command}" in output


def test_help_of_evaluate_says_what_each_correction_needs(tailwise_command: Command) -> None:
    _, output, _ = tailwise_command("evaluate", "--help")
    words = " ".join(output.split())
    assert all(f"{name} needs {cls.needs}" in words for name, cls in POSTHOC.items())


def test_bare_command_shows_help(tailwise_command: Command) -> None:
    code, output, _ = tailwise_command()
    assert code == 0
    assert "compare" in output


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["train", "no/such-recipe"], ["no recipe is named 'no/such-recipe'", "`tailwise recipes`"]),
        (["train", "digits/long-tailed-if11"], ["did you mean digits/long-tailed-if10?"]),
        (["train", RECIPE, "--set", "trainig.epochs=3"], ["unknown key trainig", "did you mean training?"]),
        (["train", RECIPE, "--set", "training.epochs=many"], ["training.epochs", "valid integer", "'many'"]),
        (["train", RECIPE, "--loss", "gpe"], ["no method 'gpe'", "did you mean 'gppe'"]),
        (["train", RECIPE, "--seed", "x"], ["--seed", "integer"]),
        (["train", RECIPE, "--lr", "3"], ["No such option: --lr"]),
        (["train"], ["Missing argument"]),
        (["trian"], ["No such command 'trian'"]),
        (["train", "mine.yaml"], ["there is no recipe file mine.yaml"]),
        (["train", "htru2/mlp"], ["HTRU_2.csv", "--data-root or TAILWISE_DATA"]),
        (["train", "gppe/mnist-3v5-50-1000"], ["train-images-idx3-ubyte.gz", "tailwise[hub]", "TAILWISE_DATA"]),
        (["compare", RECIPE, "--seeds", "4-1"], ["--seeds must name at least one seed"]),
        (["compare", RECIPE, "--seeds", "a"], ["--seeds takes numbers and ranges such as 0-4", "'a'"]),
        (["compare", RECIPE, "--loss", "ce,nothing"], ["no method 'nothing'"]),
        (["compare", RECIPE, "--loss", "ce,ce"], ["--loss takes different names", "'ce,ce'"]),
        (["compare", RECIPE, "--loss", ""], ["--loss takes different names"]),
        (["compare", RECIPE, RECIPE, "--loss", "ce"], ["two runs would go to"]),
        (["compare", RECIPE, "--seeds", "²"], ["--seeds takes numbers"]),
        (["compare", RECIPE, "--metrics", "accurcy"], ["no metric is named 'accurcy': did you mean 'accuracy'"]),
        (["compare", RECIPE, "--set", "loss.name=gppe"], ["loss.name is chosen with --loss"]),
        (["train", RECIPE, "--threads", "100000"], ["--threads must be at most"]),
        (["train", RECIPE, "--set", "data.classes=[3]"], ["data.classes", "at least 2 items"]),
        (["train", RECIPE, "--seed", str(2**64)], ["seed", "less than"]),
        (["evaluate", "nowhere"], ["there is no run directory nowhere"]),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    words: list[str], parts: list[str], tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(tailwise_command(*words), 2, *parts)


def own_table(folder: Path, name: str, content: bytes) -> list[str]:
    """Words that train on a data file of one's own."""
    (folder / name).write_bytes(content)
    kind = name.rpartition(".")[2]
    target = "target: y, " if kind == "csv" else ""
    source = f"data.source={{name: {kind}, {target}train: {folder / name}}}"
    profile = "data.profile={name: natural}"
    return [
        "train",
        RECIPE,
        "--set",
        source,
        "--set",
        profile,
        "--set",
        "training.epochs=1",
        "--out",
        str(folder / "o"),
    ]


def npz_bytes(folder: Path, **arrays: np.ndarray) -> bytes:
    np.savez(folder / "made.npz", **arrays)
    return (folder / "made.npz").read_bytes()


def test_own_table_trains(tmp_path: Path, tailwise_command: Command) -> None:
    rows = "\n".join(f"{i % 7},{i % 3},{'rare' if i % 5 == 0 else 'usual'}" for i in range(100))
    words = own_table(tmp_path, "table.csv", f"a,b,y\n{rows}\n".encode())
    code, output, error = tailwise_command(*words)
    assert code == 0, error
    assert "auc" in output
    assert json.loads((tmp_path / "o/summary.json").read_text())["class_names"] == ["rare", "usual"]


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("x.npz", b"PK\x03\x04 not really", ["x.npz"]),
        ("x.npz", b"", ["x.npz"]),
        ("x.parquet", b"PAR1", ["x.parquet is not a readable Parquet file"]),
        ("x.csv", b"a,b\n1,2\n", ["no column 'y'", "its columns are a, b"]),
        ("x.csv", b"a,y\n1,0\nred,1\n", ["'red' in column 'a', row 1"]),
        ("x.csv", b"a,y\nnan,0\n1,1\n", ["column 'a', row 0", "finite"]),
    ],
)
def test_broken_data_file_is_named_in_one_line(
    name: str, content: bytes, parts: list[str], tmp_path: Path, tailwise_command: Command
) -> None:
    assert_one_line(tailwise_command(*own_table(tmp_path, name, content)), 2, *parts)


def test_label_out_of_range_is_named_in_one_line(tmp_path: Path, tailwise_command: Command) -> None:
    features = np.zeros((20, 3), dtype=np.float32)
    negative = npz_bytes(tmp_path, inputs=features, targets=np.arange(20) % 3 - 1)
    assert_one_line(tailwise_command(*own_table(tmp_path, "x.npz", negative)), 2, "label -1 in row 0", "start at 0")


def test_mnist_label_out_of_range_is_named_in_one_line(
    data_root: Path, tmp_path: Path, tailwise_command: Command
) -> None:
    shutil.copytree(data_root / "mnist", tmp_path / "mnist", copy_function=shutil.copyfile)
    (tmp_path / "mnist").chmod(0o755)
    labels = tmp_path / "mnist/train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[8 + 7] = 12
    labels.write_bytes(gzip.compress(content))
    words = ("train", "gppe/mnist-3v5-50-1000", "--data-root", tmp_path, "--out", tmp_path / "o")
    assert_one_line(tailwise_command(*words), 2, "from 0 to 9", "12 in row 7")


def test_directory_that_cannot_be_written_is_named(tmp_path: Path, tailwise_command: Command) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_one_line(tailwise_command("train", RECIPE, "--out", tmp_path / "file/run"), 2, "cannot write", "--out")


@pytest.mark.parametrize(
    "signals",
    [(signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGHUP, signal.SIGTERM)],
    ids=["once", "twice", "terminated", "without a terminal"],
)
def test_stopped_command_says_how_to_go_on(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    command = [
        sys.executable,
        "-m",
        "tailwise",
        "train",
        RECIPE,
        "--out",
        str(tmp_path / "o"),
        "--set",
        "training.epochs=100000",
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:
        while not (tmp_path / "o/state/last.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.1)
        for number in signals:
            process.send_signal(number)
            time.sleep(0.05)
        _, error = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert error.splitlines()[-1] == "tailwise: stopped; --resume goes on from here"
    assert "Traceback" not in error


def test_nothing_to_resume_is_told(tmp_path: Path, tailwise_command: Command) -> None:
    words = ("train", RECIPE, "--out", tmp_path / "run", "--set", "training.epochs=1", "--threads", "1", "--resume")
    told = f"note: there is nothing to go on with in {tmp_path}/run; the training begins"
    assert told in tailwise_command(*words)[2].splitlines()
    code, _, error = tailwise_command(*words)
    assert (code, "note: " in error) == (0, False)


def test_unexpected_error_is_one_line_and_exit_code_1(
    tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise ArithmeticError("no sum\nfor details")

    monkeypatch.setattr("tailwise.training.engine.prepare", broken)
    result = tailwise_command("train", RECIPE, "--out", tmp_path / "o")
    assert_one_line(result, 1, "ArithmeticError: no sum", "TAILWISE_DEBUG=1")


def test_full_disk_is_one_line_and_exit_code_1_and_resume_goes_on(
    tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", RECIPE, "--out", tmp_path / "run", "--set", "training.epochs=2", "--threads", "1")

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("tailwise.training.run.save_checkpoint", full)
        stopped = tailwise_command(*words)
    assert_one_line(stopped, 1, f"no room for {tmp_path / 'run'} on ", "free some space there", "--resume goes on")
    assert "TAILWISE_DEBUG" not in stopped[2]
    assert tailwise_command(*words, "--resume")[0] == 0


def test_options_of_ray_are_refused_without_it(tmp_path: Path, tailwise_command: Command) -> None:
    words = ("compare", RECIPE, "--out", tmp_path)
    assert_one_line(tailwise_command(*words, "--gpus-per-run", "0.25"), 2, "--gpus-per-run 0.25", "add --backend ray")
    wrong = tailwise_command(*words, "--backend", "ray", "--cpus-per-run", "0")
    assert_one_line(wrong, 2, "--cpus-per-run must be above 0")


def test_ray_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, tailwise_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused = tailwise_command("compare", RECIPE, "--out", tmp_path, "--backend", "ray")
    assert_one_line(refused, 2, "--backend ray needs ray, which is not installed", "pip install 'tailwise[ray]'")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "cannot connect to a Ray cluster at 127.0.0.1:1"),
        ("ray://127.0.0.1:10001", "--address takes HOST:PORT"),
        ("nonsense", "--address takes HOST:PORT"),
    ],
)
def test_address_of_no_cluster_is_named(tmp_path: Path, tailwise_command: Command, address: str, told: str) -> None:
    words = ("compare", RECIPE, "--out", tmp_path, "--backend", "ray", "--address", address)
    assert_one_line(tailwise_command(*words), 2, told)
