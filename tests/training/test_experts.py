"""Runs of several experts: what the engine trains, leaves and resumes, routing, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipe_trees import quick_recipe, read_lines, stop_after
from tailwise.data.loader import PreparedData, prepare
from tailwise.errors import InputError
from tailwise.heads import ExpertHeads
from tailwise.losses import MultiExpertLoss
from tailwise.metrics import classification_report
from tailwise.models.classifier import Classifier, build_classifier
from tailwise.recipes.config import Recipe
from tailwise.report.evaluation import evaluate
from tailwise.report.runs import read_run
from tailwise.routing import ExpertRouter
from tailwise.training.engine import RunOptions, train

ONE_THREAD = RunOptions(threads=1, device="cpu")
NETWORK = ("model={name: resnet20, widths: null, head: cosine, scale: 16}", "experts.number=3", "training.epochs=2")
ROUTING = ("stage2={name: routing, epochs: 2}",)


def several(method: str = "ce", *settings: str) -> Recipe:
    """Two epochs of three experts on 200 digits."""
    return quick_recipe(method, 0, *NETWORK, *settings)


def rebuilt(recipe: Recipe, path: Path) -> tuple[Classifier, PreparedData]:
    """The classifier of a recipe with the weights of a run, and the recipe's data."""
    data = prepare(recipe.data, None)
    inputs = torch.from_numpy(data.train.arrays.fitting_inputs())
    assert recipe.experts is not None
    classifier = build_classifier(
        inputs, 10, "resnet20", None, "cosine", recipe.model.scale, experts=3, reduced=recipe.experts.reduced
    )
    classifier.load_state_dict(load_file(path / "weights.safetensors"))
    return classifier.eval(), data


@pytest.mark.parametrize("reduced", ["true", "false"])
def test_run_predicts_by_the_mean_of_the_experts(reduced: str, tmp_path: Path) -> None:
    recipe = several("ce", f"experts.reduced={reduced}", "data.validation_fraction=0.2")
    summary = train(recipe, tmp_path, ONE_THREAD)
    classifier, data = rebuilt(recipe, tmp_path)
    assert isinstance(classifier.head, ExpertHeads)
    logits, _ = classifier(torch.from_numpy(data.test.arrays.inputs), with_experts=True)
    predictions = np.load(tmp_path / "predictions.npz")
    np.testing.assert_allclose(predictions["logits"], logits.detach().mean(dim=1), atol=1e-3)
    report = classification_report(predictions["logits"], predictions["targets"], summary["class_counts"])
    assert summary["metrics"] == pytest.approx({f"test/{name}": value for name, value in report.items()})
    assert (summary["experts"], summary["num_parameters"]) == (3, classifier.num_parameters)
    assert read_run(tmp_path).notes == ("ce: 3 experts.",)
    assert not (tmp_path / "router.safetensors").exists()


def test_cosines_are_scaled_in_the_predictions(tmp_path: Path) -> None:
    recipe = several("ldam", "model.scale=1", "class_weights={name: deferred, start: 1}", "training.epochs=2")
    train(recipe, tmp_path, ONE_THREAD)
    classifier, data = rebuilt(recipe, tmp_path)
    cosines = classifier(torch.from_numpy(data.test.arrays.inputs)).detach()
    np.testing.assert_allclose(np.load(tmp_path / "predictions.npz")["logits"], 30 * cosines, atol=1e-3)


def test_experts_learn_more_than_chance_and_the_loss_falls(tmp_path: Path) -> None:
    summary = train(several("balanced_softmax", "training.epochs=8"), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0.6
    losses = [json.loads(line)["train/loss"] for line in read_lines(tmp_path / "metrics.jsonl")]
    assert losses[-1] < losses[0]


def test_settings_of_the_experts_reach_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []
    forward = MultiExpertLoss.forward

    def recording(self: MultiExpertLoss, logits: torch.Tensor, target: torch.Tensor, features: torch.Tensor) -> Any:
        weight = None if self.weight is None else self.weight.clone()
        seen.append((self.epoch, self.temperatures(logits), weight, features.shape[1:], self.diversity))
        return forward(self, logits, target, features)

    monkeypatch.setattr(MultiExpertLoss, "forward", recording)
    section = "experts={number: 2, diversity: 0.3, temperature: 2, reweight_factor: 0.5, start: 1}"
    weights = "class_weights={name: deferred, start: 1, beta: 0.9}"
    counts = train(several("ce", section, weights), tmp_path, ONE_THREAD)["class_counts"]
    (_, first, unweighted, shape, diversity), (_, last, weight, *_) = seen[0], seen[-1]
    assert (seen[0][0], seen[-1][0], shape, diversity) == (0, 1, (2, 48), 0.3)
    assert first.tolist() == [2.0] * 10
    shares = 0.5 * np.array(counts) / np.mean(counts) + 0.5
    np.testing.assert_allclose(last, 2 * shares / shares.max(), rtol=1e-5)
    assert torch.equal(unweighted, torch.ones(10))
    effective = np.array([0.1 / (1 - 0.9**count) for count in counts])
    np.testing.assert_allclose(weight, effective * 10 / effective.sum(), rtol=1e-5)


def test_loss_that_looks_at_features_gets_those_of_each_expert(tmp_path: Path) -> None:
    summary = train(several("influence_balanced", "loss.start=1"), tmp_path, ONE_THREAD)
    assert np.isfinite(np.load(tmp_path / "predictions.npz")["logits"]).all()
    assert summary["experts"] == 3


@pytest.mark.parametrize(
    ("method", "settings", "after"),
    [
        ("gala", ("mixing={name: mixup}", "experts.start=1"), 1),
        ("ce", ROUTING, 1),
        ("ce", ROUTING, 2),
        ("ldam", ("model.scale=1", "data.augmentation=[{name: crop, padding: 1}]", *ROUTING), 3),
        ("ce", ROUTING, 4),
    ],
    ids=["a state and mixing", "first stage", "between the stages", "router", "before the end"],
)
def test_interrupted_run_resumes_to_the_bit(method: str, settings: tuple[str, ...], after: int, tmp_path: Path) -> None:
    recipe = several(method, *settings)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", on_epoch=stop_after(after)))
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    files = ["weights.safetensors", "predictions.npz", *(["router.safetensors"] if ROUTING[0] in settings else [])]
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()
    whole, cut = (json.loads((tmp_path / run / "summary.json").read_text()) for run in ("whole", "cut"))
    assert (whole["metrics"], whole["num_parameters"]) == (cut["metrics"], cut["num_parameters"])


def test_router_is_trained_and_nothing_else_and_predicts_with_the_experts_it_asks(tmp_path: Path) -> None:
    profile = ("data.profile.max_count=60", "data.profile.imbalance_factor=20")
    recipe = several("ce", *profile, *ROUTING, "stage2.optimizer={name: adam, lr: 0.02}")
    one_stage = recipe.model_copy(update={"stage2": quick_recipe().stage2})
    plain = train(one_stage, tmp_path / "one", ONE_THREAD)
    summary = train(recipe, tmp_path / "two", ONE_THREAD)
    weights = [load_file(tmp_path / run / "weights.safetensors") for run in ("one", "two")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())

    classifier, data = rebuilt(recipe, tmp_path / "two")
    router = ExpertRouter(3, 48, 10)
    router.load_state_dict(load_file(tmp_path / "two/router.safetensors"))
    assert summary["num_parameters"] == plain["num_parameters"] + sum(p.numel() for p in router.parameters())
    with torch.no_grad():
        logits, features = classifier(torch.from_numpy(data.test.arrays.inputs), with_experts=True)
        scores = router(logits, features)
    asked = [1 + int(s[0] > 0) * (1 + int(s[1] > 0)) for s in scores]
    assert len(set(asked)) > 1
    expected = torch.stack([z[:used].mean(dim=0) for z, used in zip(logits, asked, strict=True)])
    predictions = np.load(tmp_path / "two/predictions.npz")
    np.testing.assert_allclose(predictions["logits"], expected, atol=1e-3)
    np.testing.assert_array_equal(predictions["experts"], asked)
    assert summary["metrics"]["test/experts"] == pytest.approx(np.mean(asked))
    assert (summary["stage2"]["name"], summary["stage2"]["positive_weight"]) == ("routing", 20.0)
    lines = [json.loads(line) for line in read_lines(tmp_path / "two/metrics.jsonl")]
    assert [line["stage"] for line in lines] == [1, 1, 2, 2]


def test_evaluating_on_the_way_does_not_change_a_routed_run(tmp_path: Path) -> None:
    train(several("ce", *ROUTING), tmp_path / "plain", ONE_THREAD)
    train(several("ce", *ROUTING, "training.evaluate_every=1"), tmp_path / "watched", ONE_THREAD)
    for file in ("weights.safetensors", "router.safetensors"):
        assert (tmp_path / "plain" / file).read_bytes() == (tmp_path / "watched" / file).read_bytes()
    lines = [json.loads(line) for line in read_lines(tmp_path / "watched/metrics.jsonl")]
    assert ["test/experts" in line for line in lines] == [False, False, True, True]


def test_bf16_trains_experts_and_router(tmp_path: Path) -> None:
    summary = train(several("ce", "training.precision=bf16-mixed", *ROUTING), tmp_path, ONE_THREAD)
    assert 1 <= summary["metrics"]["test/experts"] <= 3
    assert np.isfinite(np.load(tmp_path / "predictions.npz")["logits"]).all()


def test_evaluation_says_of_a_routed_run_what_it_says_of_its_loss(tmp_path: Path) -> None:
    summary = train(several("ce", *ROUTING), tmp_path, ONE_THREAD)
    assert evaluate(tmp_path, "logit-adjustment", 1.0, "natural").caveat is None
    asked = f"{summary['metrics']['test/experts']:.2f} experts asked for a test sample"
    assert read_run(tmp_path).notes == ("ce: 3 experts.", f"ce: 2 further epochs of the router alone, {asked}.")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("experts.number=0",), r"experts\.number: Input should be greater than 0, got 0"),
        (("experts.numbers=2",), r"unknown key experts\.numbers; did you mean experts\.number\?"),
        (("experts.diversity=-1",), r"experts\.diversity: Input should be greater than or equal to 0, got -1"),
        (("experts.temperature=0",), r"experts\.temperature: Input should be greater than 0, got 0"),
        (("experts.reweight_factor=1",), r"experts\.reweight_factor: Input should be less than 1, got 1"),
        (("experts.start=2",), r"experts\.start is 2, past the training of 2 epochs"),
        (("experts.number=1", *ROUTING), r"routing chooses among several experts; set experts\.number to 2 or more"),
        (("experts=null", *ROUTING), r"routing chooses among several experts; set experts\.number to 2 or more"),
        (("stage2={name: routing, positive_weight: 0}",), r"stage2\.positive_weight: Input should be greater than 0"),
        (
            ("stage2={name: routing, learning_rate: {name: cosine, warmup_epochs: 5}}",),
            r"stage2: learning_rate\.warmup_epochs is 5, past the training of 5 epochs",
        ),
        *(
            ((f"stage2={{name: {name}}}",), f"stage2: {name} makes one head, but experts has 3 heads; set stage2.name")
            for name in ("crt", "lws", "tau-norm", "ncm", "mislas", "weight-balancing", "over-smoothing")
        ),
    ],
)
def test_experts_that_cannot_be_are_named_when_the_recipe_is_read(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        several("ce", *settings)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("ce", ("model={name: mlp}",), "model: mlp has no form with several experts; take resnet20, resnet32"),
        ("ldam", (), r"loss: ldam scales cosines, but model\.scale is 16 already; set it to 1"),
        ("ldam", ("model={name: resnet20}",), "loss: ldam scales cosines, but the head is linear"),
    ],
)
def test_experts_that_do_not_fit_are_named_before_training(
    method: str, settings: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        train(several(method, *settings), tmp_path / "run", ONE_THREAD)
    assert not (tmp_path / "run").exists()
