"""The second stage of a run: what it changes and what not, resuming in the middle of it, what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recipe_trees import quick_recipe, read_lines, stop_after
from tailwise.data.loader import prepare
from tailwise.errors import InputError
from tailwise.losses import CrossEntropyLoss
from tailwise.metrics import classification_report
from tailwise.models.classifier import Classifier, build_classifier
from tailwise.models.mlp import MLP
from tailwise.recipes.catalog import load_recipe
from tailwise.recipes.config import Recipe
from tailwise.recipes.stage2_config import MiSLAS
from tailwise.training.checkpoint import read_checkpoint
from tailwise.training.engine import RunOptions, TrainingError, train
from tailwise.training.sweep import Job, epochs_left
from tailwise.two_stage import FrozenBackbone, LearnableWeightScaling

ONE_THREAD = RunOptions(threads=1, device="cpu")
TRAINED = ("crt", "lws", "mislas", "weight-balancing", "over-smoothing")
COMPUTED = ("tau-norm", "ncm")
EVERY = (*TRAINED, *COMPUTED)


def staged(name: str, *settings: str) -> Recipe:
    """Three epochs of cross entropy on 200 digits, then three of stage 2 where it has some."""
    epochs = ("stage2.epochs=3",) if name in TRAINED else ()
    return quick_recipe("ce", 0, f"stage2.name={name}", *epochs, *settings)


def resnet(name: str, *settings: str) -> Recipe:
    """The same with batch normalisation."""
    return staged(name, "model={name: resnet20, widths: null}", "training.epochs=1", *settings)


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "weights.safetensors")


def changed(recipe: Recipe, folder: Path) -> set[str]:
    """The entries of the weights that a run with the second stage and one without do not have in common."""
    one_stage = recipe.model_copy(update={"stage2": quick_recipe().stage2})
    train(one_stage, folder / "one", ONE_THREAD)
    train(recipe, folder / "two", ONE_THREAD)
    one, two = weights_of(folder / "one"), weights_of(folder / "two")
    assert one.keys() == two.keys()
    return {name for name in one if not torch.equal(one[name], two[name])}


def rebuilt(recipe: Recipe, path: Path) -> tuple[Classifier, Any]:
    """The classifier of a recipe with the weights of a run, and the recipe's data."""
    data = prepare(recipe.data, None)
    model = recipe.model
    widths = None if model.widths is None else tuple(model.widths)
    inputs = torch.from_numpy(data.train.arrays.fitting_inputs())
    classifier = build_classifier(inputs, 10, model.name, widths, model.head, model.scale)
    classifier.load_state_dict(weights_of(path))
    return classifier.eval(), data


@pytest.mark.parametrize("name", EVERY)
def test_each_method_of_the_digits_ends_in_a_sensible_classifier(name: str, tmp_path: Path) -> None:
    summary = train(load_recipe("digits/long-tailed-if20").resolve(name), tmp_path, ONE_THREAD)
    assert summary["stage2"]["name"] == summary["loss"] == name
    assert summary["metrics"]["test/balanced_accuracy"] > 0.75
    assert np.isfinite(np.load(tmp_path / "predictions.npz")["logits"]).all()
    assert summary["num_parameters"] == 8970


@pytest.mark.parametrize("name", EVERY)
def test_backbone_stays_to_the_bit_and_the_head_does_not(name: str, tmp_path: Path) -> None:
    assert changed(staged(name), tmp_path) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("name", [name for name in EVERY if name != "mislas"])
def test_batch_normalisation_is_frozen_with_its_statistics(name: str, tmp_path: Path) -> None:
    assert changed(resnet(name), tmp_path) == {"head.weight", "head.bias"}


def test_mislas_shifts_the_statistics_of_batch_normalisation_and_nothing_else(tmp_path: Path) -> None:
    names = changed(resnet("mislas"), tmp_path)
    endings = {name.rpartition(".")[2] for name in names - {"head.weight", "head.bias"}}
    assert endings == {"running_mean", "running_var", "num_batches_tracked"}
    normalised = {name.rpartition(".")[0] for name in weights_of(tmp_path / "one") if name.endswith("running_mean")}
    assert {name.rpartition(".")[0] for name in names} == normalised | {"head"}


@pytest.mark.parametrize("settings", [(), ("data.augmentation=[{name: crop, padding: 1}]",)])
def test_backbone_stays_with_and_without_augmentation(settings: tuple[str, ...], tmp_path: Path) -> None:
    assert changed(staged("crt", *settings), tmp_path) == {"head.weight", "head.bias"}


@pytest.mark.parametrize("name", EVERY)
def test_weights_load_into_the_classifier_of_the_recipe_and_give_the_predictions(name: str, tmp_path: Path) -> None:
    recipe = staged(name)
    summary = train(recipe, tmp_path, ONE_THREAD)
    classifier, data = rebuilt(recipe, tmp_path)
    predictions = np.load(tmp_path / "predictions.npz")
    logits = classifier(torch.from_numpy(data.test.arrays.inputs)).detach().numpy()
    np.testing.assert_allclose(predictions["logits"], logits, atol=1e-4)
    report = classification_report(predictions["logits"], predictions["targets"], summary["class_counts"])
    assert summary["metrics"] == pytest.approx({f"test/{metric}": value for metric, value in report.items()})


def heads(recipe: Recipe, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Class weights without and with the second stage."""
    changed(recipe, folder)
    return tuple(weights_of(folder / run)["head.weight"].double().numpy() for run in ("one", "two"))  # type: ignore[return-value]


def test_tau_norm_divides_the_trained_weights_by_their_lengths(tmp_path: Path) -> None:
    before, after = heads(staged("tau-norm", "stage2.tau=0.7"), tmp_path)
    expected = [w / np.linalg.norm(w) ** 0.7 for w in before]
    np.testing.assert_allclose(after, expected, rtol=1e-5)
    assert (weights_of(tmp_path / "two")["head.bias"] == 0).all()


def test_ncm_takes_the_means_of_the_training_features(tmp_path: Path) -> None:
    recipe = staged("ncm", "stage2.metric=euclidean")
    _, after = heads(recipe, tmp_path)
    classifier, data = rebuilt(recipe, tmp_path / "two")
    features = classifier.features(torch.from_numpy(data.train.arrays.inputs)).detach().double().numpy()
    means = [features[data.train.arrays.targets == c].mean(axis=0) for c in range(10)]
    np.testing.assert_allclose(after, means, rtol=1e-4, atol=1e-5)
    bias = weights_of(tmp_path / "two")["head.bias"].numpy()
    np.testing.assert_allclose(bias, [-(m**2).sum() / 2 for m in means], rtol=1e-4)


def directions(weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True))


@pytest.mark.parametrize(("name", "kept"), [("lws", True), ("tau-norm", True), ("mislas", False), ("crt", False)])
def test_directions_stay_where_lengths_alone_are_changed(name: str, kept: bool, tmp_path: Path) -> None:
    before, after = heads(staged(name), tmp_path)
    assert np.allclose(directions(before), directions(after), atol=1e-6) == kept
    assert not np.allclose(np.linalg.norm(before, axis=1), np.linalg.norm(after, axis=1), atol=1e-3)


def test_weight_balancing_ends_within_the_radius_that_the_first_stage_set(tmp_path: Path) -> None:
    before, after = heads(staged("weight-balancing", "stage2.threshold=0.4"), tmp_path)
    lengths = np.linalg.norm(before, axis=1)
    summary = json.loads((tmp_path / "two/summary.json").read_text())
    assert summary["stage2"]["radius"] == pytest.approx(0.4 * lengths.max() + 0.6 * lengths.min(), rel=1e-5)
    assert np.linalg.norm(after, axis=1).max() <= summary["stage2"]["radius"] * (1 + 1e-5)


def test_new_head_does_not_begin_as_the_trained_one(tmp_path: Path) -> None:
    """At a learning rate of next to nothing, cRT leaves its random start and training on leaves the trained head."""
    slow = ("stage2.optimizer={name: sgd, lr: 1e-12}",)
    first_losses = {}
    for name in ("crt", "over-smoothing"):
        before, after = heads(staged(name, *slow), tmp_path / name)
        assert np.allclose(before, after, atol=1e-5) == (name == "over-smoothing")
        first_losses[name] = json.loads(read_lines(tmp_path / name / "two/metrics.jsonl")[3])["train/loss"]
    assert first_losses["crt"] == pytest.approx(np.log(10), abs=0.5)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("after", [2, 3, 4, 6])
def test_run_interrupted_in_either_stage_resumes_to_the_bit(name: str, after: int, tmp_path: Path) -> None:
    recipe = staged(name)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", on_epoch=stop_after(after)))
    assert read_checkpoint(tmp_path / "cut/state/last.safetensors").stage == (1 if after <= 3 else 2)
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    for file in ("weights.safetensors", "predictions.npz"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()
    lines = [json.loads(line) for line in read_lines(tmp_path / "cut/metrics.jsonl")]
    assert [(line["epoch"], line["stage"]) for line in lines] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]
    whole, cut = (json.loads((tmp_path / run / "summary.json").read_text()) for run in ("whole", "cut"))
    assert whole["stage2"] == cut["stage2"]


@pytest.mark.parametrize(
    "recipe",
    [
        staged("lws", "data.augmentation=[{name: crop, padding: 1}]", "stage2.sampling.name=square-root"),
        resnet("mislas", "mixing.name=mixup", "training.epochs=2"),
        staged("crt", "stage2.sampling={name: phased, start: 0, end: 2}", "stage2.loss.name=gala"),
    ],
    ids=["augmented", "shifted batch normalisation", "phased sampling and a loss with a state"],
)
def test_features_that_change_resume_to_the_bit(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "whole", ONE_THREAD)
    after = recipe.training.epochs + 1
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", on_epoch=stop_after(after)))
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    files = [(tmp_path / run / "weights.safetensors").read_bytes() for run in ("whole", "cut")]
    assert files[0] == files[1]


def test_process_killed_in_the_second_stage_resumes_to_the_same_weights(tmp_path: Path) -> None:
    recipe = staged("weight-balancing")
    train(recipe, tmp_path / "whole", ONE_THREAD)
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom recipe_trees import quick_recipe\n"
        "from tailwise.training.engine import RunOptions, train\n"
        "kill = lambda line: os.kill(os.getpid(), signal.SIGKILL) if line['epoch'] == 5 else None\n"
        "recipe = quick_recipe('ce', 0, 'stage2.name=weight-balancing', 'stage2.epochs=3')\n"
        f"train(recipe, Path({str(tmp_path / 'cut')!r}), RunOptions(threads=1, device='cpu', on_epoch=kill))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    killed = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path}, check=False)
    assert killed.returncode == -signal.SIGKILL
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    assert all(
        torch.equal(value, weights_of(tmp_path / "cut")[k]) for k, value in weights_of(tmp_path / "whole").items()
    )


def test_checkpoint_from_before_there_were_stages_is_of_the_first(tmp_path: Path) -> None:
    tree = json.dumps({"pairs": [["epoch", 3], ["parts", {"pairs": []}], ["random", {"pairs": []}]]})
    save_file({"0": torch.zeros(1)}, tmp_path / "old.safetensors", metadata={"tree": tree})
    assert read_checkpoint(tmp_path / "old.safetensors").stage == 1


def test_broken_checkpoint_of_the_second_stage_is_named(tmp_path: Path) -> None:
    recipe = staged("crt")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(4)))
    checkpoint = tmp_path / "state/last.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InputError, match=r"last\.safetensors is not a checkpoint of this run .*delete the run"):
        train(recipe, tmp_path, RunOptions(threads=1, device="cpu", resume=True))


def calls_of_backbone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that an mlp sees from here on."""
    sizes: list[int] = []
    forward = MLP.forward

    def counted(self: MLP, inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        return forward(self, inputs)

    monkeypatch.setattr(MLP, "forward", counted)
    return sizes


@pytest.mark.parametrize(
    ("settings", "passes"),
    [((), 1), (("data.augmentation=[{name: crop, padding: 1}]",), 3)],
    ids=["plain", "augmented"],
)
def test_backbone_runs_once_unless_the_images_change(
    settings: tuple[str, ...], passes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = calls_of_backbone(monkeypatch)
    recipe = staged("crt", *settings)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(3)))
    sizes.clear()
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, RunOptions(threads=1, device="cpu", resume=True, on_epoch=stop_after(6)))
    assert sum(sizes) == passes * 216


def test_kept_features_train_the_head_that_the_whole_network_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(staged("lws"), tmp_path / "kept", ONE_THREAD)
    monkeypatch.setattr(FrozenBackbone, "constant", property(lambda self: False))
    train(staged("lws"), tmp_path / "run", ONE_THREAD)
    torch.testing.assert_close(weights_of(tmp_path / "kept"), weights_of(tmp_path / "run"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "balanced"),
    [("crt", True), ("lws", True), ("mislas", True), ("weight-balancing", False), ("over-smoothing", False)],
)
def test_samples_of_the_second_stage_are_balanced_where_the_paper_balances(
    name: str, balanced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    forward = CrossEntropyLoss.forward

    def recording(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(target)
        return forward(self, logits, target)

    monkeypatch.setattr(CrossEntropyLoss, "forward", recording)
    # MiSLAS has another loss, of the same signature.
    summary = train(
        staged(name, *(("stage2.loss.name=cross_entropy",) if name == "mislas" else ()), "stage2.epochs=30"),
        tmp_path,
        ONE_THREAD,
    )
    counts = torch.cat(seen[-30 * 4 :]).bincount(minlength=10)
    expected = [30 * 216 / 10] * 10 if balanced else [30 * count for count in summary["class_counts"]]
    np.testing.assert_allclose(counts, expected, rtol=0.12 if balanced else 0)


def test_class_balanced_loss_and_smoothing_are_those_of_the_papers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: dict[str, CrossEntropyLoss] = {}
    forward = CrossEntropyLoss.forward

    def recording(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        losses["last"] = self
        return forward(self, logits, target)

    monkeypatch.setattr(CrossEntropyLoss, "forward", recording)
    counts = train(staged("weight-balancing", "stage2.beta=0.9"), tmp_path / "a", ONE_THREAD)["class_counts"]
    weight = np.array([0.1 / (1 - 0.9**n) for n in counts])
    assert losses["last"].weight is not None
    np.testing.assert_allclose(losses["last"].weight, weight * 10 / weight.sum(), rtol=1e-5)
    train(staged("over-smoothing"), tmp_path / "b", ONE_THREAD)
    assert (losses["last"].label_smoothing, losses["last"].weight) == (0.98, None)


def test_mislas_trains_the_factors_faster_than_the_head() -> None:
    scaling = LearnableWeightScaling(torch.nn.Linear(4, 3), train_head=True)
    groups = MiSLAS(head_lr_factor=0.5).parameter_groups(scaling, 0.1)
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(1, 0.1), (2, 0.05)]


def test_learning_rate_of_the_second_stage_begins_and_ends_with_it(tmp_path: Path) -> None:
    recipe = staged("mislas", "stage2.optimizer={name: sgd, lr: 0.5}", "stage2.epochs=4")
    train(recipe, tmp_path, ONE_THREAD)
    rates = [json.loads(line)["lr"] for line in read_lines(tmp_path / "metrics.jsonl")]
    assert rates[3:] == pytest.approx([0.5 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)])


def test_second_stage_draws_other_samples_than_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    forward = CrossEntropyLoss.forward

    def recording(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append(target.tolist())
        return forward(self, logits, target)

    monkeypatch.setattr(CrossEntropyLoss, "forward", recording)
    train(staged("over-smoothing"), tmp_path, ONE_THREAD)
    assert seen[0] != seen[3 * 4]


def test_tau_is_the_best_on_the_validation_split(tmp_path: Path) -> None:
    profile = ("data.profile.max_count=120", "data.profile.imbalance_factor=20")
    held_out = (*profile, "data.validation_fraction=0.3")
    recipe = staged("tau-norm", "stage2.tau=search", "training.epochs=10", *held_out)
    found = train(recipe, tmp_path / "searched", ONE_THREAD)["stage2"]["found_tau"]
    assert found > 0
    data = prepare(recipe.data, None)
    assert data.validation is not None
    targets = data.validation.arrays.targets
    recalls = {}
    for tau in sorted({0.0, 0.5, 1.0, 2.0, 3.0, found}):
        folder = tmp_path / str(tau)
        train(staged("tau-norm", f"stage2.tau={tau}", "training.epochs=10", *held_out), folder, ONE_THREAD)
        predicted = np.load(folder / "predictions.npz")["validation_logits"].argmax(axis=1)
        recalls[tau] = np.mean([(predicted[targets == c] == c).mean() for c in np.unique(targets)])
    assert recalls[found] == pytest.approx(max(recalls.values()))
    torch.testing.assert_close(weights_of(tmp_path / "searched"), weights_of(tmp_path / str(found)))


@pytest.mark.parametrize("name", ["crt", "ncm"])
def test_cosine_head_stays_one(name: str, tmp_path: Path) -> None:
    recipe = staged(name, "model.head=cosine", "model.scale=16")
    assert changed(recipe, tmp_path) == {"head.weight"}
    classifier, data = rebuilt(recipe, tmp_path / "two")
    logits = classifier(torch.from_numpy(data.test.arrays.inputs)).detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "two/predictions.npz")["logits"], logits, atol=1e-4)
    assert np.abs(logits).max() <= 16 * (1 + 1e-5)


def test_evaluating_on_the_way_does_not_change_the_second_stage(tmp_path: Path) -> None:
    train(resnet("mislas"), tmp_path / "plain", ONE_THREAD)
    train(resnet("mislas", "training.evaluate_every=1"), tmp_path / "watched", ONE_THREAD)
    assert all(torch.equal(v, weights_of(tmp_path / "watched")[k]) for k, v in weights_of(tmp_path / "plain").items())
    lines = [json.loads(line) for line in read_lines(tmp_path / "watched/metrics.jsonl")]
    assert all("test/accuracy" in line for line in lines)


def test_bf16_trains_both_stages(tmp_path: Path) -> None:
    summary = train(staged("lws", "training.precision=bf16-mixed", "training.epochs=15"), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0.7


def test_epochs_of_both_stages_are_counted_in_what_is_left(tmp_path: Path) -> None:
    recipe = staged("crt")
    assert recipe.total_epochs == 6
    assert staged("ncm").total_epochs == quick_recipe().total_epochs == 3
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(4)))
    assert epochs_left([Job(recipe, tmp_path, "")]) == 2


def test_summary_of_one_stage_says_nothing_of_a_second(tmp_path: Path) -> None:
    assert "stage2" not in train(quick_recipe(), tmp_path, ONE_THREAD)


def test_loss_that_is_no_longer_finite_names_the_learning_rate_of_its_stage(tmp_path: Path) -> None:
    recipe = staged("crt", "stage2.optimizer={name: sgd, lr: 3.0e+38}")
    with pytest.raises(TrainingError, match=r"in epoch [456]; lower stage2\.optimizer\.lr \(now 3e\+38\)"):
        train(recipe, tmp_path, ONE_THREAD)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("stage2.name=crrt",), "stage2.name: there is no 'crrt'; there are none, crt, lws, tau-norm, ncm, mislas"),
        (("stage2.epochs=5",), "stage2.name is missing"),
        (("stage2={name: crt, epochs: 0}",), "stage2.epochs: Input should be greater than 0, got 0"),
        (("stage2={name: crt, epoch: 5}",), r"unknown key stage2\.epoch; did you mean stage2\.epochs\?"),
        (("stage2={name: tau-norm, epochs: 5}",), r"unknown key stage2\.epochs"),
        (("stage2={name: tau-norm, tau: search}",), "no validation split to search on; add --set data.validation_frac"),
        (("stage2={name: tau-norm, tau: -1}",), r"stage2\.tau.* greater than or equal to 0"),
        (("stage2={name: tau-norm, tau: best}",), r"stage2\.tau"),
        (("stage2={name: ncm, metric: l1}",), r"stage2\.metric: Input should be 'cosine' or 'euclidean', got 'l1'"),
        (("stage2={name: crt, loss: {name: gpe}}",), r"stage2\.loss: no loss is named 'gpe': did you mean 'gppe'"),
        (
            ("stage2={name: crt, learning_rate: {name: cosine, warmup_epochs: 10}}",),
            r"stage2: learning_rate\.warmup_epochs is 10, past the training of 10 epochs",
        ),
        (
            ("stage2={name: crt, sampling: {name: phased, start: 30, end: 40}}",),
            r"stage2: sampling\.start is 30, past the training of 10 epochs",
        ),
        *(
            (("model.head=cosine", f"stage2={stage2}"), f"stage2: {name} needs the lengths of the class weights")
            for stage2, name in [
                ("{name: tau-norm}", "tau-norm"),
                ("{name: lws}", "lws"),
                ("{name: mislas}", "mislas"),
                ("{name: weight-balancing}", "weight-balancing"),
                ("{name: ncm, metric: euclidean}", "ncm with the euclidean metric"),
            ]
        ),
    ],
)
def test_second_stage_that_cannot_be_is_named_when_the_recipe_is_read(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        quick_recipe("ce", 0, *settings)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (
            "ldam",
            ("model.head=cosine",),
            "stage2: cross_entropy does not scale its logits, and the cosines of ldam",
        ),
        ("ce", ("stage2.loss.name=ldam",), "stage2: ldam scales cosines, but the head is linear"),
        ("ce", ("stage2.loss={name: cyclical_focal, epochs: 3}",), "stage2: epochs is 3, but the training has 10"),
        (
            "ce",
            ("stage2.loss={name: cross_entropy, weight: [1, 2]}",),
            "stage2: logits have 10 classes but weight",
        ),
    ],
)
def test_second_stage_that_does_not_fit_is_named_before_the_first_is_trained(
    method: str, settings: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(quick_recipe(method, 0, "stage2.name=crt", *settings), tmp_path / "run", ONE_THREAD)
    assert not (tmp_path / "run").exists()


def test_class_without_samples_is_named_before_the_first_stage_of_ncm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = staged("ncm")
    data = prepare(recipe.data, None)
    others = np.flatnonzero(data.train.arrays.targets != 7)
    without = replace(data, train=replace(data.train, arrays=data.train.arrays.subset(others)))
    monkeypatch.setattr("tailwise.training.engine.prepare", lambda *arguments: without)
    with pytest.raises(InputError, match="stage2: class 7 has no samples, so it has no mean; leave the class out"):
        train(recipe, tmp_path / "run", ONE_THREAD)
    assert not (tmp_path / "run").exists()
