"""Reading run directories, whole and broken; evaluating them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from recipe_trees import quick_recipe
from tailwise.errors import InputError
from tailwise.metrics import classification_report
from tailwise.posthoc import LogitAdjustment, build_posthoc, search_tau
from tailwise.report.evaluation import corrected, evaluate
from tailwise.report.runs import read_predictions, read_run
from tailwise.training.engine import RunOptions, train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    train(quick_recipe("focal", 2), path, RunOptions(threads=1, device="cpu", command="tailwise train ..."))
    return path


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_run_is_read_as_it_was_written(finished: Path) -> None:
    run = read_run(finished)
    summary = json.loads((finished / "summary.json").read_text())
    assert (run.recipe, run.loss, run.seed, run.command) == (
        "digits/long-tailed-if20",
        "focal",
        2,
        "tailwise train ...",
    )
    assert run.metrics["accuracy"] == summary["metrics"]["test/accuracy"]
    logits, targets = read_predictions(finished)
    assert logits.shape == (len(targets), 10)


def test_plain_evaluation_repeats_the_metrics_of_the_run(finished: Path) -> None:
    evaluation = evaluate(finished, None, 1.0, "natural")
    assert evaluation.plain == pytest.approx(read_run(finished).metrics, abs=1e-6)
    assert evaluation.corrected is None


def test_correction_is_applied_to_the_logits_of_the_run(finished: Path) -> None:
    run = read_run(finished)
    logits, targets = read_predictions(finished)
    corrected = LogitAdjustment(run.class_counts, 0.5).transform(logits.astype(np.float64))
    evaluation = evaluate(finished, "logit-adjustment", 0.5, "natural")
    assert evaluation.corrected == pytest.approx(classification_report(corrected, targets, run.class_counts))
    assert evaluation.note is None


@pytest.mark.parametrize("posthoc", ["rebalance", "logit-adjustment"])
def test_tau_is_searched_on_the_validation_samples_alone(tmp_path: Path, posthoc: str) -> None:
    recipe = quick_recipe("ce", 0, "data.validation_fraction=0.3", "training.epochs=20")
    train(recipe, tmp_path, RunOptions(threads=1, device="cpu"))
    found = evaluate(tmp_path, posthoc, "search", "natural")
    logits, targets = read_predictions(tmp_path, "validation")
    counts = read_run(tmp_path).class_counts
    assert found.tau == search_tau(logits.astype(np.float64), targets, lambda tau: build_posthoc(posthoc, counts, tau))
    assert found.note is not None
    assert f"tau {found.tau:g} has the best balanced accuracy on the run's {len(targets)} validation" in found.note
    assert ("whole test set at once" in found.note) == (posthoc == "rebalance")
    assert found.corrected == evaluate(tmp_path, posthoc, found.tau, "natural").corrected


def test_search_without_validation_samples_says_how_to_get_them(finished: Path) -> None:
    with pytest.raises(InputError, match=r"no validation samples; train the run with --set data\.validation_fraction"):
        evaluate(finished, "rebalance", "search", "natural")


def test_rebalancing_says_that_it_is_transductive(finished: Path) -> None:
    note = evaluate(finished, "rebalance", 1.0, "natural").note
    assert note is not None
    assert "whole test set at once" in note


def test_test_profiles_thin_the_test_set_out(finished: Path) -> None:
    natural = evaluate(finished, None, 1.0, "natural").num_samples
    sizes = {profile: evaluate(finished, None, 1.0, profile).num_samples for profile in ("uniform", "backward")}
    assert sizes["uniform"] % 10 == 0
    assert all(size < natural for size in sizes.values())


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no run directory .*nothing; `tailwise train` makes one"):
        read_run(tmp_path / "nothing")


def test_unfinished_run_is_named(copied: Path) -> None:
    (copied / "summary.json").unlink()
    with pytest.raises(InputError, match=r"holds no finished run .* --resume"):
        read_run(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no summary of a run"),
        ("[]", "is no summary of a run"),
        ('{"recipe": "x"}', "lacks 'loss'; train the run again"),
    ],
)
def test_broken_summary_is_named(copied: Path, content: str, message: str) -> None:
    (copied / "summary.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_run(copied)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no archive"])
def test_broken_predictions_are_named(copied: Path, content: bytes) -> None:
    (copied / "predictions.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"predictions\.npz cannot be read"):
        read_predictions(copied)


def test_pickled_predictions_are_refused(copied: Path) -> None:
    np.savez(copied / "predictions.npz", logits=np.array([object()]), targets=np.zeros(1))
    with pytest.raises(InputError, match=r"predictions\.npz cannot be read"):
        read_predictions(copied)


def two_staged(folder: Path, *settings: str) -> Path:
    recipe = quick_recipe("ce", 0, "training.epochs=1", *settings)
    train(recipe, folder, RunOptions(threads=1, device="cpu"))
    return folder


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (("stage2={name: crt, epochs: 2}",), "ce: 2 further epochs of the head alone (crt)."),
        (("stage2.name=ncm",), "ce: the head made balanced after training (ncm)."),
        (("stage2={name: tau-norm, tau: 0.5}",), "ce: the head made balanced after training (tau-norm, tau 0.5)."),
    ],
)
def test_second_stage_is_noted_with_the_run(settings: tuple[str, ...], note: str, tmp_path: Path) -> None:
    run = read_run(two_staged(tmp_path, *settings))
    assert run.notes == (note,)
    assert run.epochs == 1


def test_note_says_that_tau_was_found_and_stays_with_a_correction(tmp_path: Path) -> None:
    held_out = "data.validation_fraction=0.2"
    run = read_run(two_staged(tmp_path, "stage2={name: tau-norm, tau: search}", held_out))
    assert run.notes[0].endswith("found on the validation split).")
    assert corrected(run, "ce+pn", "rebalance", 1.0).notes[0] == run.notes[0]


def test_logits_of_a_second_stage_are_not_to_be_adjusted(tmp_path: Path) -> None:
    two_staged(tmp_path, "stage2.name=ncm")
    note = evaluate(tmp_path, "logit-adjustment", 1.0, "natural").note
    assert note is not None
    assert note.startswith("This run was trained with the second stage ncm, which corrects")
