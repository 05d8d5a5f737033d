"""Reading run directories, whole and broken; evaluating them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipe_trees import quick_recipe
from tailwise.errors import InputError
from tailwise.metrics import classification_report
from tailwise.posthoc import (
    ClassThresholds,
    CostSensitiveDecision,
    LogitAdjustment,
    ValidatedCorrection,
    build_posthoc,
    search_tau,
)
from tailwise.report.evaluation import corrected, evaluate
from tailwise.report.runs import find_runs, read_predictions, read_run
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
    adjusted = LogitAdjustment(run.class_counts, 0.5).transform(logits.astype(np.float64))
    evaluation = evaluate(finished, "logit-adjustment", 0.5, "natural")
    assert evaluation.corrected == pytest.approx(classification_report(adjusted, targets, run.class_counts))
    assert evaluation.note is None


@pytest.mark.parametrize("posthoc", ["rebalance", "logit-adjustment"])
def test_tau_is_searched_on_the_validation_samples_alone(tmp_path: Path, posthoc: str) -> None:
    recipe = quick_recipe("ce", 0, "data.validation_fraction=0.3", "training.epochs=20")
    train(recipe, tmp_path, RunOptions(threads=1, device="cpu"))
    found = evaluate(tmp_path, posthoc, "search", "natural")
    logits, targets = read_predictions(tmp_path, "validation")
    counts = read_run(tmp_path).class_counts
    assert found.tau == search_tau(
        logits.astype(np.float64), targets, lambda tau: build_posthoc(posthoc, counts, tau=tau)
    )
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


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with validation samples."""
    path = tmp_path_factory.mktemp("held-out")
    recipe = quick_recipe("ce", 0, "data.validation_fraction=0.3", "training.epochs=20")
    train(recipe, path, RunOptions(threads=1, device="cpu"))
    return path


@pytest.mark.parametrize(
    ("posthoc", "arguments", "learned"),
    [
        ("temperature", {}, "has the best likelihood on the run's"),
        ("thresholds", {"metric": "g_mean"}, "best for g mean on the run's"),
    ],
)
def test_correction_is_learned_on_the_validation_samples_alone(
    held_out: Path, posthoc: str, arguments: dict[str, Any], learned: str
) -> None:
    logits, targets = read_predictions(held_out, "validation")
    counts = read_run(held_out).class_counts
    correction = build_posthoc(posthoc, counts, **arguments)
    assert isinstance(correction, ValidatedCorrection)
    correction.fit(logits.astype(np.float64), targets)
    test_logits, test_targets = read_predictions(held_out)
    expected = classification_report(correction.transform(test_logits.astype(np.float64)), test_targets, counts)
    evaluation = evaluate(held_out, posthoc, None, "natural", **arguments)
    assert evaluation.corrected == pytest.approx(expected)
    assert evaluation.found is not None
    assert f"{learned} {len(targets)} validation samples" in evaluation.found


def test_two_classes_have_one_threshold(tmp_path: Path) -> None:
    recipe = quick_recipe("ce", 0, "data.validation_fraction=0.3", "data.classes=[3,8]")
    train(recipe, tmp_path, RunOptions(threads=1, device="cpu"))
    logits, targets = read_predictions(tmp_path, "validation")
    threshold = ClassThresholds().fit(logits.astype(np.float64), targets).thresholds_[1]
    note = evaluate(tmp_path, "thresholds", None, "natural").note
    assert note is not None
    rarest = min((targets == 0).sum(), (targets == 1).sum())
    assert f"Class 1 is predicted above probability {threshold:.4g}, best for f1 on the run's {len(targets)}" in note
    assert f"of which the rarest class has {rarest}." in note
    assert "class frequencies of the validation samples" in note


@pytest.mark.parametrize("posthoc", ["temperature", "thresholds"])
def test_learning_without_validation_samples_says_how_to_get_them(finished: Path, posthoc: str) -> None:
    with pytest.raises(InputError, match=r"no validation samples; train the run with --set data\.validation_fraction"):
        evaluate(finished, posthoc, None, "natural")


def test_test_prior_is_estimated_from_the_test_logits_that_are_reported_on(held_out: Path) -> None:
    evaluation = evaluate(held_out, "prior-shift", None, "backward")
    assert evaluation.found is not None
    assert f"estimated from all {evaluation.num_samples} test logits at once" in evaluation.found
    assert evaluation.caveat is not None
    assert "samples of each class are as in training" in evaluation.caveat
    assert evaluation.found != evaluate(held_out, "prior-shift", None, "long-tailed").found


def test_given_test_prior_is_not_estimated(held_out: Path) -> None:
    counts = read_run(held_out).class_counts
    logits, targets = read_predictions(held_out)
    expected = LogitAdjustment(counts).transform(logits.astype(np.float64))
    for prior in ("uniform", [3] * 10):
        evaluation = evaluate(held_out, "prior-shift", None, "natural", test_prior=prior)
        assert evaluation.corrected == pytest.approx(classification_report(expected, targets, counts), abs=1e-6)
        assert evaluation.found is None


def test_cost_sensitive_decision_tells_what_it_saves(held_out: Path) -> None:
    costs = [1, 1, 1, 1, 1, 1, 1, 1, 1, 30]
    logits, targets = read_predictions(held_out)
    decision = CostSensitiveDecision(costs)
    evaluation = evaluate(held_out, "cost-sensitive", None, "natural", costs=costs)
    assert evaluation.found is not None
    before, after = (decision.mean_cost(z, targets) for z in (logits, decision.transform(logits)))
    assert f"Mean cost {before:.4g} as trained, {after:.4g} by the least expected cost." in evaluation.found


def test_prior_shift_of_a_loss_that_corrects_already_is_warned_of(tmp_path: Path) -> None:
    train(quick_recipe("balanced_softmax"), tmp_path, RunOptions(threads=1, device="cpu"))
    note = evaluate(tmp_path, "prior-shift", None, "natural", test_prior="uniform").note
    assert note is not None
    assert "trained with balanced_softmax, which corrects for the class frequencies already" in note


@pytest.mark.parametrize(
    ("posthoc", "arguments", "name"),
    [
        ("rebalance", {"tau": 1.5}, "rebalance, tau 1.5"),
        ("logit-adjustment", {}, "logit-adjustment, tau 1"),
        ("prior-shift", {"test_prior": "uniform"}, "prior-shift, uniform test prior"),
        ("prior-shift", {"test_prior": [1] * 10}, "prior-shift, given test prior"),
        ("thresholds", {"metric": "balanced_accuracy"}, "thresholds, best balanced accuracy"),
        ("temperature", {}, "temperature"),
    ],
)
def test_evaluation_names_the_correction_and_what_was_chosen_of_it(
    held_out: Path, posthoc: str, arguments: dict[str, Any], name: str
) -> None:
    chosen = {"tau": None, **arguments}
    assert evaluate(held_out, posthoc, test_profile="natural", **chosen).name == name


def test_corrected_run_says_how_and_leaves_out_what_differs_from_run_to_run(held_out: Path) -> None:
    run = corrected(read_run(held_out), "ce+t", "thresholds", metric="f1")
    assert run.loss == "ce+t"
    assert run.notes[0] == "ce+t: ce corrected by thresholds, best f1."
    assert run.notes[1].startswith("Thresholds for f1 and mcc suit data")


@pytest.mark.parametrize(
    ("posthoc", "arguments", "message"),
    [
        ("calibrate", {}, "--posthoc calibrate: no correction is named 'calibrate'"),
        ("cost-sensitive", {}, "--posthoc cost-sensitive: .* needs its argument 'costs'"),
        ("cost-sensitive", {"costs": [1, 2]}, "--posthoc cost-sensitive: logits have 10 classes but costs has 2"),
        ("prior-shift", {"test_prior": [1, 2]}, "--posthoc prior-shift: test_prior must be .* 10 finite frequencies"),
        ("thresholds", {"metric": "accuracy"}, "--posthoc thresholds: metric must be"),
        ("temperature", {"tau": 1.0}, "--posthoc temperature: .* has no argument 'tau'"),
        ("temperature", {"tau": "search"}, "--posthoc temperature --tau search: .* has no argument 'tau'"),
    ],
)
def test_correction_that_does_not_fit_the_run_is_named(
    held_out: Path, posthoc: str, arguments: dict[str, Any], message: str
) -> None:
    chosen = {"tau": None, **arguments}
    with pytest.raises(InputError, match=message):
        evaluate(held_out, posthoc, test_profile="natural", **chosen)


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


def test_folder_of_runs_names_one_of_them(copied: Path) -> None:
    with pytest.raises(InputError, match=f"{copied.parent} is a folder of runs; give one of them, such as {copied}"):
        read_run(copied.parent)


def test_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no run directory \(no config.yaml\); `tailwise train` makes one"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no summary of a run"),
        ("[]", "is no summary of a run"),
        ('{"recipe": "x"}', "lacks 'class_counts'; train the run again"),
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


def test_runs_are_found_below_folders_each_once_and_unfinished_ones_apart(finished: Path, tmp_path: Path) -> None:
    one = Path(shutil.copytree(finished, tmp_path / "recipe/focal/seed-2"))
    begun = Path(shutil.copytree(finished, tmp_path / "recipe/ce/seed-2"))
    (begun / "summary.json").unlink()
    runs, unfinished = find_runs([tmp_path, tmp_path / "recipe", one])
    assert [run.path for run in runs] == [one]
    assert unfinished == [begun]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "there is no folder .*nowhere; give one that `tailwise compare --out` filled"),
        (".", "has no finished run below it; give one that"),
    ],
)
def test_folder_without_runs_is_named(folder: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        find_runs([tmp_path / folder])
