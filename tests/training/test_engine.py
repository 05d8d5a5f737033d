"""Training: determinism, resuming, what a run leaves behind, what stops it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from scipy import stats

from recipe_trees import quick_recipe, read_lines, stop_after
from tailwise.data.loader import prepare
from tailwise.errors import InputError
from tailwise.losses import CrossEntropyLoss, CyclicalFocalLoss
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


def test_predictions_on_held_out_samples_are_left_beside_those_of_the_test_samples(tmp_path: Path) -> None:
    recipe = quick_recipe("ce", 0, "data.validation_fraction=0.2")
    summary = train(recipe, tmp_path, ONE_THREAD)
    indices, predictions = np.load(tmp_path / "indices.npz"), np.load(tmp_path / "predictions.npz")
    whole = recipe.data.source.load(None, "train")
    assert not set(indices["train"]) & set(indices["validation"])
    assert np.bincount(whole.targets[indices["train"]]).tolist() == summary["class_counts"]
    np.testing.assert_array_equal(whole.targets[indices["validation"]], predictions["validation_targets"])
    train_inputs = torch.from_numpy(whole.inputs[indices["train"]])
    classifier = build_classifier(train_inputs, 10, "mlp", widths=(64, 64))
    classifier.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    logits = classifier(torch.from_numpy(whole.inputs[indices["validation"]])).detach().numpy()
    np.testing.assert_allclose(predictions["validation_logits"], logits, atol=1e-5)


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
        ("sampling.name=class-balanced", "mixing={name: mixup, alpha: 0.2}"),
        ("sampling={name: phased, start: 0, end: 2}", "mixing={name: phased, start: 0, end: 2}"),
        ("sampling.name=oversample", "learning_rate={name: staircase, start: 1}"),
        ("sampling.name=undersample", "data.validation_fraction=0.2"),
        ("sampling={name: progressive}", "mixing.name=balanced-mixup"),
        ("sampling={name: repeat-factor, threshold: 0.2}", "mixing={name: cmo, start: 1, plain_epochs: 1}"),
    ],
    ids=[
        "adam",
        "sgd with warm-up and clipping",
        "adamw with deferred weights",
        "adam with phased weights",
        "class-balanced sampling with mixup",
        "phased sampling and mixing",
        "over-sampling",
        "under-sampling beside a validation split",
        "progressive sampling with balanced mixup",
        "repeat-factor sampling with CMO",
    ],
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
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
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
    train(quick_recipe(), tmp_path / "plain", ONE_THREAD)
    train(quick_recipe("ce", 0, "class_weights={name: deferred, start: 2}"), tmp_path / "last", ONE_THREAD)
    losses = {
        name: [json.loads(line)["train/loss"] for line in read_lines(tmp_path / name / "metrics.jsonl")]
        for name in ("plain", "last")
    }
    assert losses["last"][:2] == pytest.approx(losses["plain"][:2])
    assert losses["last"][2] != pytest.approx(losses["plain"][2])


def losses_of(path: Path) -> list[float]:
    return [json.loads(line)["train/loss"] for line in read_lines(path / "metrics.jsonl")]


def test_phased_sampling_and_mixing_move_between_their_epochs(tmp_path: Path) -> None:
    for section in ("sampling", "mixing"):
        for name, phases in (("late", "start: 2, end: 3"), ("early", "start: 1, end: 2")):
            train(quick_recipe("ce", 0, f"{section}={{name: phased, {phases}}}"), tmp_path / section / name, ONE_THREAD)
        late, early = losses_of(tmp_path / section / "late"), losses_of(tmp_path / section / "early")
        assert early[:2] == late[:2]
        assert early[2] != late[2]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The targets that cross entropy gets, batch after batch."""
    targets: list[torch.Tensor] = []
    forward = CrossEntropyLoss.forward

    def recording(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert len(logits) == len(target)
        targets.append(target)
        return forward(self, logits, target)

    monkeypatch.setattr(CrossEntropyLoss, "forward", recording)
    return targets


@pytest.mark.parametrize(
    ("sampling", "per_epoch"),
    [
        ("instance", 216),
        ("class-balanced", 216),
        ("square-root", 216),
        ("effective-number", 216),
        ("oversample", 400),
        ("undersample", 100),
        ("class-balanced-batches, classes_per_batch: 5, samples_per_class: 8", 240),
    ],
)
def test_epoch_has_as_many_samples_as_the_sampling_says(
    tmp_path: Path, seen: list[torch.Tensor], sampling: str, per_epoch: int
) -> None:
    settings = (f"sampling={{name: {sampling}}}", "training.epochs=1", "training.batch_size=40")
    summary = train(quick_recipe("ce", 0, *settings), tmp_path, ONE_THREAD)
    per_class = torch.cat(seen).bincount(minlength=10).tolist()
    assert sum(per_class) == per_epoch
    if sampling == "instance":
        assert per_class == summary["class_counts"]
    if sampling.endswith("ersample") or "batches" in sampling:
        assert per_class == [per_epoch // 10] * 10
    if "batches" in sampling:
        assert all(sorted(batch.bincount(minlength=10).tolist()) == [0] * 5 + [8] * 5 for batch in seen)


def test_progressive_sampling_goes_from_the_training_frequencies_to_equal_ones_over_the_epochs(
    tmp_path: Path, seen: list[torch.Tensor]
) -> None:
    profile = ("data.profile.max_count=120", "data.profile.imbalance_factor=20")
    settings = ("sampling.name=progressive", "training.epochs=5", *profile)
    summary = train(quick_recipe("ce", 0, *settings), tmp_path, ONE_THREAD)
    counts = np.array(summary["class_counts"])
    per_epoch = torch.cat(seen).reshape(5, -1)
    for epoch in range(5):
        expected = (1 - epoch / 4) * counts + epoch / 4 * counts.mean()
        assert stats.chisquare(per_epoch[epoch].bincount(minlength=10).numpy(), expected).pvalue > 1e-3


def test_repeat_factor_sampling_repeats_the_rare_classes(tmp_path: Path) -> None:
    for name, threshold in (("none", 0.001), ("some", 0.2)):
        recipe = quick_recipe("ce", 0, f"sampling={{name: repeat-factor, threshold: {threshold}}}")
        train(recipe, tmp_path / name, ONE_THREAD)
    assert losses_of(tmp_path / "none") != losses_of(tmp_path / "some")


@pytest.mark.parametrize(
    "mixing",
    ["{name: remix}", "{name: cutmix}", "{name: balanced-mixup}", "{name: cmo, start: 0, plain_epochs: 1, power: 2}"],
)
def test_training_learns_from_mixed_images(tmp_path: Path, mixing: str) -> None:
    recipe = quick_recipe("ce", 0, f"mixing={mixing}", "training.epochs=25")
    assert train(recipe, tmp_path, ONE_THREAD)["metrics"]["test/accuracy"] > 0.7


def test_cmo_mixes_between_its_first_and_last_epochs_alone(tmp_path: Path, seen: list[torch.Tensor]) -> None:
    settings = ("mixing={name: cmo, start: 2, plain_epochs: 1}", "training.epochs=5", "training.batch_size=50")
    train(quick_recipe("ce", 0, *settings), tmp_path / "cmo", ONE_THREAD)
    assert [len(target) for target in seen[:5]] == [50, 50, 50, 50, 16]
    assert [target.ndim for target in seen[::5]] == [1, 1, 2, 2, 1]
    train(quick_recipe("ce", 0, *settings[1:]), tmp_path / "plain", ONE_THREAD)
    assert losses_of(tmp_path / "cmo")[:2] == losses_of(tmp_path / "plain")[:2]


def test_tables_and_images_can_be_mixed(tmp_path: Path) -> None:
    write_table(tmp_path / "table.npz")
    source = f"data.source={{name: npz, train: {tmp_path / 'table.npz'}}}"
    table = quick_recipe("ce", 0, source, "data.profile={name: natural}", "mixing.name=mixup")
    train(table, tmp_path / "table", ONE_THREAD)
    summary = train(quick_recipe("ce", 0, "mixing.name=mixup", "training.epochs=30"), tmp_path / "images", ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0.7


def test_loss_that_depends_on_the_epoch_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(CrossEntropyLoss, "set_epoch", lambda self, epoch: told.append(epoch), raising=False)
    interrupted(quick_recipe(), tmp_path, 2)
    assert told == [0, 1]
    resumed(quick_recipe(), tmp_path)
    assert told == [0, 1, 2]


def test_bf16_training_learns(tmp_path: Path) -> None:
    summary = train(quick_recipe("ce", 0, "training.precision=bf16-mixed", "training.epochs=15"), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0.7


@pytest.mark.parametrize("clipped", [(), ("training.clip_norm=1",)], ids=["any gradient", "clipped gradients"])
def test_loss_that_is_no_longer_finite_stops_with_the_mend_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clipped: tuple[str, ...]
) -> None:
    recipe = quick_recipe("ce", 0, *clipped)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    losses = {"left": 12}  # epochs have four batches: the third epoch's first loss is no number

    whole = CrossEntropyLoss.forward

    def failing(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        losses["left"] -= 1
        return whole(self, logits, target) * (1.0 if losses["left"] >= 4 else float("nan"))

    with monkeypatch.context() as patched:
        patched.setattr(CrossEntropyLoss, "forward", failing)
        mend = r"training.clip_norm \(now 1\)" if clipped else "set training.clip_norm"
        told = rf"the loss became nan in epoch 3; lower optimizer\.lr \(now .*\) or {mend}, with another --out"
        with pytest.raises(TrainingError, match=told):
            train(recipe, tmp_path / "cut", ONE_THREAD)
    assert not (tmp_path / "cut/summary.json").exists()
    resumed(recipe, tmp_path / "cut")
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "cut")


def test_record_with_fewer_epochs_than_were_trained_is_named(tmp_path: Path) -> None:
    """As a power cut may leave it."""
    with pytest.raises(KeyboardInterrupt):
        train(quick_recipe(), tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(2)))
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match=r"metrics\.jsonl has 0 of the 2 epochs that were trained; delete the run"):
        resumed(quick_recipe(), tmp_path)


@pytest.mark.parametrize("lost", ["config.yaml", "indices.npz", "state/last.safetensors"])
def test_run_that_has_lost_what_it_was_begun_with_is_not_gone_on_with(tmp_path: Path, lost: str) -> None:
    """Else it would go on with other settings or samples, or begin anew over its own record."""
    with pytest.raises(KeyboardInterrupt):
        train(quick_recipe(), tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(2)))
    (tmp_path / lost).unlink()
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with pytest.raises(InputError, match=f"{lost} is gone, without which nobody can tell how to go on; put it back"):
        resumed(quick_recipe("ce", 0, "optimizer.lr=0.5"), tmp_path)
    with pytest.raises(InputError, match="holds a run already"):
        train(quick_recipe(), tmp_path, ONE_THREAD)
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before


def test_directory_with_a_run_is_refused_without_resume(tmp_path: Path) -> None:
    train(quick_recipe(), tmp_path, ONE_THREAD)
    with pytest.raises(InputError, match="holds a run already; continue it with --resume"):
        train(quick_recipe(), tmp_path, ONE_THREAD)


def test_run_from_before_a_field_existed_goes_on(tmp_path: Path) -> None:
    summary = train(quick_recipe(), tmp_path, ONE_THREAD)
    config = tmp_path / "config.yaml"
    recorded = yaml.safe_load(config.read_text())
    del recorded["sampling"], recorded["data"]["validation_fraction"]
    config.write_text(yaml.safe_dump(recorded))
    assert train(quick_recipe(), tmp_path, RunOptions(threads=1, device="cpu", resume=True)) == summary


def test_cyclical_loss_cycles_over_the_epochs_of_the_training(tmp_path: Path) -> None:
    seen = []

    def watch(module: torch.nn.Module, given: Any, output: Any) -> None:
        if isinstance(module, CyclicalFocalLoss):
            seen.append((module.epochs, float(module.eta)))

    with torch.nn.modules.module.register_module_forward_hook(watch):
        train(quick_recipe("cyclical_focal"), tmp_path, ONE_THREAD)
    assert [step for step, _ in groupby(seen)] == [(3, 1.0), (3, 0.0), (3, 1.0)]


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
        (("sampling={name: phased, start: 2, end: 1}",), "sampling: end must be above 2, got 1"),
        (
            ("sampling={name: progressive}", "training.epochs=1"),
            "sampling: epochs must be a whole number from 2 up, got 1",
        ),
        (
            ("sampling={name: class-balanced-batches, classes_per_batch: 16, samples_per_class: 4}",),
            "sampling: classes_per_batch must be at most 10, the number of classes, got 16",
        ),
        (("mixing={name: phased, start: 2, end: 1}",), "mixing: end must be above 2, got 1"),
        (("data.profile.max_count=5000",), "class 0 has [0-9]+ samples, 5000 were asked for"),
        (("training.precision=16-mixed",), "16-mixed needs a GPU"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_named(tmp_path: Path, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(quick_recipe("ce", 0, *settings), tmp_path, ONE_THREAD)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("ldam", (), "loss: ldam scales cosines, but the head is linear; add --set model.head=cosine"),
        ("cri", (), "loss: cri scales cosines"),
        ("cyclical_focal", ("loss.epochs=2",), "loss: epochs is 2, but the training has 3 epochs"),
    ],
)
def test_loss_that_does_not_fit_the_rest_is_named(
    tmp_path: Path, method: str, settings: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(quick_recipe(method, 0, *settings), tmp_path, ONE_THREAD)


@pytest.mark.parametrize("method", ["ldam", "cri"])
def test_predictions_of_a_loss_that_scales_cosines_are_scaled(tmp_path: Path, method: str) -> None:
    summary = train(quick_recipe(method, 0, "model.head=cosine", "loss.scale=20"), tmp_path, ONE_THREAD)
    predictions = np.load(tmp_path / "predictions.npz")
    largest = np.abs(predictions["logits"]).max()
    assert 1 < largest <= 20
    report = classification_report(predictions["logits"], predictions["targets"], summary["class_counts"])
    assert summary["metrics"]["test/ece"] == pytest.approx(report["ece"])


def test_cuda_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="torch sees no CUDA device; take cpu or auto"):
        train(quick_recipe(), tmp_path, RunOptions(device="cuda"))


def npz_recipe(path: Path) -> Recipe:
    """A table of one's own."""
    return quick_recipe("ce", 0, f"data.source={{name: npz, train: {path}}}", "data.profile={name: natural}")


def write_table(path: Path, shift: float = 0.0) -> None:
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32) + shift
    np.savez(path, inputs=features, targets=np.arange(60) % 3)


def test_input_error_leaves_nothing_that_would_block_the_corrected_run(tmp_path: Path) -> None:
    recipe = npz_recipe(tmp_path / "table.npz")
    with pytest.raises(InputError, match=r"there is no .*table\.npz"):
        train(recipe, tmp_path / "run", ONE_THREAD)
    assert not (tmp_path / "run").exists()
    write_table(tmp_path / "table.npz")
    assert train(recipe, tmp_path / "run", ONE_THREAD)["class_counts"] == [16, 16, 16]


def test_resuming_on_changed_data_is_refused(tmp_path: Path) -> None:
    recipe = npz_recipe(tmp_path / "table.npz")
    write_table(tmp_path / "table.npz")
    interrupted(recipe, tmp_path / "run", 1)
    write_table(tmp_path / "table.npz", shift=0.1)
    with pytest.raises(InputError, match="was begun on other data"):
        resumed(recipe, tmp_path / "run")
    write_table(tmp_path / "table.npz")
    resumed(recipe, tmp_path / "run")


def test_two_processes_cannot_train_in_one_directory(tmp_path: Path) -> None:
    def start_another(line: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="another process is training in"):
            resumed(quick_recipe(), tmp_path)

    train(quick_recipe(), tmp_path, RunOptions(threads=1, device="cpu", on_epoch=start_another))


def test_seconds_of_a_resumed_run_are_those_of_all_its_parts(tmp_path: Path) -> None:
    recipe = quick_recipe()
    interrupted(recipe, tmp_path, 2)
    summary = resumed(recipe, tmp_path)
    recorded = sum(json.loads(line)["seconds"] for line in read_lines(tmp_path / "metrics.jsonl"))
    assert summary["seconds"] > recorded > 0
    assert len(json.loads((tmp_path / "environment.json").read_text())["resumed"]) == 1


@pytest.mark.parametrize("name", ["config.yaml", "summary.json"])
def test_broken_file_of_a_run_is_named_on_resume(tmp_path: Path, name: str) -> None:
    recipe = quick_recipe()
    train(recipe, tmp_path, ONE_THREAD)
    (tmp_path / name).write_bytes(b"{\xff: [")
    with pytest.raises(InputError, match=rf"{name} (cannot be read|is broken).*delete the run directory"):
        resumed(recipe, tmp_path)


def test_more_threads_than_cores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--threads must be at most the [0-9]+ cores there are, got 100000"):
        train(quick_recipe(), tmp_path, RunOptions(threads=100_000))


AUGMENTED = "data.augmentation=[{name: crop, padding: 1}, {name: flip}, {name: autoaugment}, {name: cutout, length: 3}]"


def test_augmented_run_resumes_to_the_bit(tmp_path: Path) -> None:
    recipe = quick_recipe("ce", 0, AUGMENTED)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    interrupted(recipe, tmp_path / "parts", 2)
    resumed(recipe, tmp_path / "parts")
    assert weights_of(tmp_path / "parts") == weights_of(tmp_path / "whole")


def test_augmentation_is_of_training_images_alone(tmp_path: Path) -> None:
    plain = train(quick_recipe(), tmp_path / "plain", ONE_THREAD)
    augmented = train(quick_recipe("ce", 0, AUGMENTED), tmp_path / "augmented", ONE_THREAD)
    assert weights_of(tmp_path / "plain") != weights_of(tmp_path / "augmented")
    assert plain["class_counts"] == augmented["class_counts"]
    recipe = quick_recipe("ce", 0, AUGMENTED)
    data = prepare(recipe.data, None)
    classifier = build_classifier(torch.from_numpy(data.train.arrays.inputs), 10, "mlp", widths=(64, 64))
    classifier.load_state_dict(load_file(tmp_path / "augmented/weights.safetensors"))
    logits = classifier(torch.from_numpy(data.test.arrays.inputs)).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "augmented/predictions.npz")["logits"], logits, atol=1e-5)
