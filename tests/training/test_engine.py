"""Training: determinism, resuming, what a run leaves behind, what stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from recipe_trees import quick_recipe, read_lines, stop_after
from tailwise.data.loader import prepare
from tailwise.errors import InputError
from tailwise.metrics import classification_report
from tailwise.models.classifier import build_classifier
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, TrainingError, train

ONE_THREAD = RunOptions(threads=1, device="cpu")


def weights_of(path: Path) -> bytes:
    return (path / "weights.safetensors").read_bytes()


def interrupted(recipe: Recipe, out: Path, after: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, RunOptions(threads=1, device="cpu", on_epoch=stop_after(after)))


def resumed(recipe: Recipe, out: Path) -> dict[str, Any]:
    return train(recipe, out, RunOptions(threads=1, device="cpu", resume=True))


def test_run_leaves_the_documented_files(tmp_path: Path) -> None:
    recipe = quick_recipe("gppe", 3)
    summary = train(recipe, tmp_path / "run", RunOptions(threads=1, device="cpu", command="tailwise train x"))
    found = sorted(path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*.*"))
    assert found == [
        "config.yaml",
        "environment.json",
        "indices.npz",
        "metrics.jsonl",
        "predictions.npz",
        "state/last.safetensors",
        "summary.json",
        "weights.safetensors",
    ]
    assert summary == json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["recipe"], summary["loss"], summary["seed"]) == ("digits/long-tailed-if20", "gppe", 3)
    assert summary["command"] == "tailwise train x"
    assert Recipe.model_validate(yaml.safe_load((tmp_path / "run/config.yaml").read_text())) == recipe
    lines = [json.loads(line) for line in read_lines(tmp_path / "run/metrics.jsonl")]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]


def test_weights_indices_and_predictions_fit_together(tmp_path: Path) -> None:
    recipe = quick_recipe()
    summary = train(recipe, tmp_path, ONE_THREAD)
    data = prepare(recipe.data, None)
    indices = np.load(tmp_path / "indices.npz")
    whole = recipe.data.source.load(None, "train")
    assert np.bincount(whole.targets[indices["train"]]).tolist() == summary["class_counts"]
    np.testing.assert_array_equal(whole.inputs[indices["train"]], data.train.arrays.inputs)
    classifier = build_classifier(torch.from_numpy(data.train.arrays.inputs), 10, "mlp", widths=(64, 64))
    classifier.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    predictions = np.load(tmp_path / "predictions.npz")
    logits = classifier(torch.from_numpy(data.test.arrays.inputs)).detach().numpy()
    np.testing.assert_allclose(predictions["logits"], logits, atol=1e-5)
    np.testing.assert_array_equal(predictions["targets"], data.test.arrays.targets)
    report = classification_report(predictions["logits"], predictions["targets"], summary["class_counts"])
    assert summary["metrics"] == pytest.approx({f"test/{name}": value for name, value in report.items()})


def test_same_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(quick_recipe(seed=seed), tmp_path / name, ONE_THREAD)
    assert weights_of(tmp_path / "first") == weights_of(tmp_path / "again")
    assert weights_of(tmp_path / "first") != weights_of(tmp_path / "other")


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=adam",),
        ("optimizer.name=sgd", "optimizer.lr=0.05", "learning_rate.warmup_epochs=2", "training.clip_norm=1.0"),
        ("optimizer.name=adamw", "optimizer.weight_decay=0.1", "class_weights={name: deferred, start: 1}"),
        ("class_weights={name: phased, start: 0, end: 2}", "loss.label_smoothing=0.1"),
    ],
    ids=["adam", "sgd with warm-up and clipping", "adamw with deferred weights", "adam with phased weights"],
)
@pytest.mark.parametrize("after", [1, 2, 3])
def test_interrupted_and_resumed_run_ends_with_the_same_weights(
    tmp_path: Path, settings: tuple[str, ...], after: int
) -> None:
    recipe = quick_recipe("balanced_softmax", 0, *settings)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    interrupted(recipe, tmp_path / "cut", after)
    assert not (tmp_path / "cut/summary.json").exists()
    resumed(recipe, tmp_path / "cut")
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "cut")
    np.testing.assert_array_equal(
        np.load(tmp_path / "whole/predictions.npz")["logits"], np.load(tmp_path / "cut/predictions.npz")["logits"]
    )
    assert [json.loads(line)["epoch"] for line in read_lines(tmp_path / "cut/metrics.jsonl")] == [1, 2, 3]


def test_killed_process_resumes_to_the_same_weights(tmp_path: Path) -> None:
    recipe = quick_recipe()
    train(recipe, tmp_path / "whole", ONE_THREAD)
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom recipe_trees import quick_recipe\n"
        "from tailwise.training.engine import RunOptions, train\n"
        "kill = lambda line: os.kill(os.getpid(), signal.SIGKILL) if line['epoch'] == 2 else None\n"
        f"train(quick_recipe(), Path({str(tmp_path / 'cut')!r}), RunOptions(threads=1, device='cpu', on_epoch=kill))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    killed = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed(recipe, tmp_path / "cut")
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "cut")


def test_metrics_line_cut_short_by_a_kill_is_dropped_on_resume(tmp_path: Path) -> None:
    recipe = quick_recipe()
    interrupted(recipe, tmp_path, 2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "train/lo')
    resumed(recipe, tmp_path)
    assert [json.loads(line)["epoch"] for line in read_lines(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def test_finished_run_is_returned_and_not_trained_again(tmp_path: Path) -> None:
    recipe = quick_recipe()
    first = train(recipe, tmp_path, ONE_THREAD)
    before = (tmp_path / "weights.safetensors").stat().st_mtime_ns
    assert resumed(recipe, tmp_path) == first
    assert (tmp_path / "weights.safetensors").stat().st_mtime_ns == before


def test_test_set_is_evaluated_on_the_way_only_when_asked(tmp_path: Path) -> None:
    train(quick_recipe("ce", 0, "training.evaluate_every=2"), tmp_path, ONE_THREAD)
    lines = [json.loads(line) for line in read_lines(tmp_path / "metrics.jsonl")]
    assert ["test/accuracy" in line for line in lines] == [False, True, False]


def test_evaluating_on_the_way_does_not_change_the_weights(tmp_path: Path) -> None:
    train(quick_recipe(), tmp_path / "plain", ONE_THREAD)
    train(quick_recipe("ce", 0, "training.evaluate_every=1"), tmp_path / "watched", ONE_THREAD)
    assert weights_of(tmp_path / "plain") == weights_of(tmp_path / "watched")


def test_deferred_weights_act_from_their_start(tmp_path: Path) -> None:
    at_end = "class_weights={name: deferred, start: 3}"
    train(quick_recipe(), tmp_path / "plain", ONE_THREAD)
    train(quick_recipe("ce", 0, at_end), tmp_path / "never", ONE_THREAD)
    train(quick_recipe("ce", 0, at_end.replace("3", "2")), tmp_path / "last", ONE_THREAD)
    losses = {
        name: [json.loads(line)["train/loss"] for line in read_lines(tmp_path / name / "metrics.jsonl")]
        for name in ("plain", "never", "last")
    }
    assert losses["never"] == pytest.approx(losses["plain"])
    assert losses["last"][:2] == pytest.approx(losses["plain"][:2])
    assert losses["last"][2] != pytest.approx(losses["plain"][2])


def test_bf16_training_learns(tmp_path: Path) -> None:
    summary = train(quick_recipe("ce", 0, "training.precision=bf16-mixed", "training.epochs=15"), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0.7


def test_loss_that_is_no_longer_finite_stops_with_the_mend_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    recipe = quick_recipe("ce", 0, "optimizer.name=sgd", "optimizer.lr=1e30")
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) in epoch 1; lower optimizer\.lr"):
        train(recipe, tmp_path, ONE_THREAD)
    assert not (tmp_path / "summary.json").exists()


def test_directory_with_a_run_is_refused_without_resume(tmp_path: Path) -> None:
    train(quick_recipe(), tmp_path, ONE_THREAD)
    with pytest.raises(InputError, match="holds a run already; continue it with --resume"):
        train(quick_recipe(), tmp_path, ONE_THREAD)


def test_resuming_with_another_configuration_names_the_first_difference(tmp_path: Path) -> None:
    train(quick_recipe(), tmp_path, ONE_THREAD)
    with pytest.raises(InputError, match=r"another training\.batch_size \(64, not 32\)"):
        resumed(quick_recipe("ce", 0, "training.batch_size=32"), tmp_path)


def test_broken_checkpoint_is_named(tmp_path: Path) -> None:
    recipe = quick_recipe()
    interrupted(recipe, tmp_path, 1)
    checkpoint = tmp_path / "state/last.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InputError, match=r"last\.safetensors is not a checkpoint of this run .*delete the run"):
        resumed(recipe, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("model.name=lenet", "model.widths=null"), "model: lenet needs images of at least 12x12, got 8x8"),
        (("model.scale=3",), "model: a linear head has no scale"),
        (("loss.weight=[1, 2]",), "loss: logits have 10 classes but weight of CrossEntropyLoss has 2"),
        (
            ("loss.weight=[1,1,1,1,1,1,1,1,1,1]", "class_weights={name: deferred, start: 1}"),
            "class_weights: the schedule sets the weights",
        ),
        (("data.profile.max_count=5000",), "class 0 has [0-9]+ samples, 5000 were asked for"),
        (("training.precision=16-mixed",), "16-mixed needs a GPU"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_named(tmp_path: Path, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(quick_recipe("ce", 0, *settings), tmp_path, ONE_THREAD)


def test_cuda_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch sees no CUDA device; use --device cpu"):
        train(quick_recipe(), tmp_path, RunOptions(device="cuda"))
