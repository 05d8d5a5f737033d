"""What a report page is made of: real runs in, nothing dropped silently."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_runs import write_comparison

from recipe_trees import quick_recipe, stop_after
from tailwise.errors import InputError
from tailwise.recipes.catalog import corrections_of, parse_corrections
from tailwise.report.comparison import compare
from tailwise.report.evaluation import evaluate, rows_of
from tailwise.report.page_content import PageContent, in_order, num_steps, page_content
from tailwise.report.runs import Run, find_runs, read_predictions
from tailwise.training.engine import RunOptions, train
from tailwise.training.run_directory import RunDirectory

RECIPE = "digits/long-tailed-if20"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of three methods, folders in another order than the recipe's; copy it to change it."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("balanced_softmax", "ce", "focal"):
        for seed in (0, 1):
            train(quick_recipe(method, seed), folder / method / f"seed-{seed}", RunOptions(device="cpu"))
    return folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


def content_of(folder: Path, corrections: Any = None, metric: str = "balanced_accuracy") -> PageContent:
    runs, unfinished = find_runs([folder])
    return page_content(in_order(runs), unfinished, corrections or {}, metric, lambda: None)


def test_comparison_is_that_of_the_runs_and_the_corrections_of_their_recipe(trained: Path) -> None:
    (part,) = content_of(trained).recipes
    runs = in_order(find_runs([trained])[0])
    rows = ["ce", "focal", "balanced_softmax", "ce+la", "ce+pn"]
    expected = compare(rows_of(runs, rows, corrections_of(RECIPE)))
    assert list(part.comparison.cells) == rows
    assert part.usual == expected.metrics
    for method, cells in expected.cells.items():
        assert {name: part.comparison.cells[method][name] for name in cells} == cells
    assert part.corrected == {"ce+la": "ce", "ce+pn": "ce"}
    assert "ece" in part.comparison.metrics


def test_reference_is_the_first_method_of_the_recipe_or_the_one_that_is_named(trained: Path) -> None:
    runs, _ = find_runs([trained])
    assert runs[0].loss == "balanced_softmax"
    assert in_order(runs)[0].loss == "ce"
    assert in_order(runs, "focal")[0].loss == "focal"
    with pytest.raises(InputError, match=f"{RECIPE} has no finished run of 'gppe'; there are balanced_softmax, ce"):
        in_order(runs, "gppe")


def test_of_a_recipe_of_ones_own_ce_is_the_reference(tmp_path: Path) -> None:
    write_comparison(tmp_path, ["asl", "ce"], [0], ["a", "b"], 40)
    assert in_order(find_runs([tmp_path])[0])[0].loss == "ce"


def test_progress_is_told_as_often_as_announced(trained: Path) -> None:
    runs, _ = find_runs([trained])
    added = parse_corrections(["focal=rebalance"])
    told: list[None] = []
    page_content(runs, [], added, "accuracy", lambda: told.append(None))
    assert len(told) == num_steps(runs, added) == 6 + 2 * 2 + 2


def test_added_correction_is_a_row_with_what_evaluate_gives(trained: Path) -> None:
    (part,) = content_of(trained, parse_corrections(["focal=rebalance"])).recipes
    found = evaluate(trained / "focal/seed-0", "rebalance", 1.0, "natural").corrected
    other = evaluate(trained / "focal/seed-1", "rebalance", 1.0, "natural").corrected
    assert found is not None
    assert other is not None
    cell = part.comparison.cells["focal+rebalance"]["accuracy"]
    assert cell.mean == pytest.approx((found["accuracy"] + other["accuracy"]) / 2)


def test_sweep_of_a_method_passes_through_its_corrected_row(trained: Path) -> None:
    (part,) = content_of(trained).recipes
    methods = {method["name"]: method for method in part.figures["methods"]}
    at_one = part.figures["taus"].index(1.0)
    for posthoc, row in (("logit-adjustment", "ce+la"), ("rebalance", "ce+pn")):
        swept = methods["ce"]["sweeps"][posthoc]["balanced_accuracy"][at_one]
        assert swept == pytest.approx(part.comparison.cells[row]["balanced_accuracy"].mean, abs=1e-4)
    assert "sweeps" not in methods["ce+la"]
    assert methods["balanced_softmax"]["adjusted"] == "balanced_softmax"
    assert methods["ce"]["adjusted"] is None


def test_data_are_described_with_their_imbalance(trained: Path) -> None:
    (part,) = content_of(trained).recipes
    targets = read_predictions(trained / "ce/seed-0")[1]
    assert part.data.startswith("digits; profile exponential (max count 40, imbalance factor 4.0); 10 classes; ")
    assert f"40 to 10 a class (imbalance factor 4); {len(targets)} test samples" in part.data


def test_equal_environments_are_shown_once_with_their_runs(copied: Path) -> None:
    file = copied / "ce/seed-0/environment.json"
    recorded = json.loads(file.read_text())
    file.write_text(json.dumps({**recorded, "device": "an older one", "resumed": [recorded, recorded]}))
    environments = content_of(copied).environments
    assert sorted(len(environment.runs) for environment in environments) == [1, 5]
    (odd,) = (environment for environment in environments if len(environment.runs) == 1)
    assert odd.entries["device"] == "an older one"
    assert "started" not in odd.entries
    assert odd.runs == [f"{copied / 'ce/seed-0'}, begun with this and resumed 2 times"]


def test_unfinished_run_is_named_and_left_out(copied: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(quick_recipe("gppe"), copied / "gppe/seed-0", RunOptions(device="cpu", on_epoch=stop_after(1)))
    content = content_of(copied)
    assert "gppe" not in content.recipes[0].comparison.cells
    assert any(str(copied / "gppe/seed-0") in sentence and "not finished" in sentence for sentence in content.omissions)


@pytest.mark.parametrize("broken", ["missing", "bytes", "classes"])
def test_unreadable_predictions_of_one_run_cost_its_figures_and_are_named(broken: str, copied: Path) -> None:
    directory = RunDirectory(copied / "focal/seed-1")
    file = directory.path / "predictions.npz"
    if broken == "classes":
        directory.write_arrays("predictions.npz", logits=np.zeros((3, 4), np.float32), targets=np.array([0, 1, 9]))
    elif broken == "bytes":
        file.write_bytes(b"no archive")
    else:
        file.unlink()
    content = content_of(copied)
    (part,) = content.recipes
    methods = {method["name"]: method for method in part.figures["methods"]}
    assert sum(methods["focal"]["reliability"]["samples"]) * 2 == sum(methods["ce"]["reliability"]["samples"])
    assert part.comparison.seeds["focal"] == [0, 1]
    assert any("the figures of focal are without seed 1" in sentence for sentence in content.omissions)


def test_correction_that_cannot_be_made_is_named(trained: Path) -> None:
    content = content_of(trained, parse_corrections(["ce=temperature"]))
    assert "ce+temperature" not in content.recipes[0].comparison.cells
    assert any("ce+temperature" in sentence and "validation" in sentence for sentence in content.omissions)


def test_missing_records_are_named_and_cost_nothing_else(copied: Path) -> None:
    for name in ("metrics.jsonl", "environment.json", "config.yaml"):
        (copied / "ce/seed-0" / name).unlink()
    content = content_of(copied)
    said = " ".join(content.omissions)
    assert "learning curves of ce: " in said
    assert f"environment of {copied / 'ce/seed-0'}" in said
    assert "where the data come from is not shown" in said
    assert "ce" in content.recipes[0].comparison.cells


def test_test_metrics_that_were_not_taken_on_the_way_are_named(trained: Path, tmp_path: Path) -> None:
    assert any("training.evaluate_every=1" in sentence for sentence in content_of(trained).omissions)
    recipe = quick_recipe("ce", 0, "training.evaluate_every=1")
    train(recipe, tmp_path / "watched", RunOptions(device="cpu"))
    content = content_of(tmp_path)
    assert not any("evaluate_every" in sentence for sentence in content.omissions)
    assert "test/accuracy" in content.recipes[0].figures["methods"][0]["training"]


def test_too_few_methods_for_ranks_are_said(tmp_path: Path) -> None:
    write_comparison(tmp_path, ["ce", "focal"], [0, 1], ["a", "b", "c"], 60)
    content = content_of(tmp_path)
    assert content.ranking is None
    assert any("critical-difference diagram: a ranking takes at least 3 methods" in text for text in content.omissions)


def test_several_recipes_are_ranked_by_the_methods_that_all_have(tmp_path: Path) -> None:
    write_comparison(tmp_path, ["ce", "focal", "asl", "odd"], [0, 1], ["a", "b", "c"], 60, "own/one")
    write_comparison(tmp_path, ["ce", "focal", "asl"], [0, 1], ["a", "b"], 60, "own/two")
    content = content_of(tmp_path, metric="g_mean")
    assert [part.comparison.recipe for part in content.recipes] == ["own/one", "own/two"]
    assert content.ranking is not None
    assert set(content.ranking.methods) == {"ce", "focal", "asl"}
    assert content.ranking.metric == "g_mean"
    assert any(text.startswith("Not ranked: odd, of which") for text in content.omissions)


def test_runs_that_do_not_belong_together_are_refused(copied: Path) -> None:
    shutil.copytree(copied / "ce/seed-0", copied / "again")
    with pytest.raises(InputError, match="are both of ce with seed 0"):
        content_of(copied)


def test_confusions_are_summed_over_the_seeds(trained: Path) -> None:
    (part,) = content_of(trained).recipes
    runs: list[Run] = [run for run in find_runs([trained])[0] if run.loss == "ce"]
    tested = sum(len(read_predictions(run.path)[1]) for run in runs)
    (method,) = (method for method in part.figures["methods"] if method["name"] == "ce")
    assert sum(method["reliability"]["samples"]) == tested
