"""Loading a run and predicting with it: what it predicted in testing, corrected as `evaluate` corrects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import tailwise
from recipe_trees import quick_recipe
from tailwise.data.loader import prepare
from tailwise.errors import InputError
from tailwise.metrics import classification_report
from tailwise.report.evaluation import evaluate
from tailwise.training.engine import RunOptions, train

ONE_THREAD = RunOptions(threads=1, device="cpu")
HELD_OUT = ("data.validation_fraction=0.3", "training.epochs=12")
RESNET = ("model={name: resnet20, widths: null, head: cosine, scale: 16}", "training.epochs=1")
KINDS = {
    "plain": ("ce",),
    "cosines that the loss scales": ("ldam", "model.head=cosine", "model.scale=1"),
    "sigmoids": ("asl_multi_label",),
    "images that are not standardised": ("ce", "model.normalize=false"),
    "another loss in a second stage": ("ce", "stage2={name: crt, epochs: 1, loss: {name: asl_multi_label}}"),
    "scaled head": ("ce", "stage2={name: lws, epochs: 1}"),
    "class means": ("ce", "stage2.name=ncm"),
    "experts": ("ce", *RESNET, "experts.number=2"),
    "experts with a router": ("ce", *RESNET, "experts.number=3", "stage2={name: routing, epochs: 1}"),
}


def test_inputs() -> np.ndarray[Any, Any]:
    images = prepare(quick_recipe().data, None).test.arrays.fitting_inputs()
    return np.asarray(images)


test_inputs.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with held-out samples."""
    path = tmp_path_factory.mktemp("run") / "ce"
    train(quick_recipe("ce", 0, *HELD_OUT), path, ONE_THREAD)
    return path


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """A run to break."""
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.mark.parametrize("kind", KINDS)
def test_test_samples_get_the_logits_of_the_run(kind: str, tmp_path: Path) -> None:
    method, *settings = KINDS[kind]
    train(quick_recipe(method, 0, *settings), tmp_path, ONE_THREAD)
    found = tailwise.load(tmp_path, device="cpu").logits(test_inputs())
    np.testing.assert_allclose(found, np.load(tmp_path / "predictions.npz")["logits"], atol=1e-4)


@pytest.mark.usefixtures("timm_importable")
def test_network_of_timm_is_rebuilt_without_fetching_weights(tmp_path: Path) -> None:
    recipe = quick_recipe("ce", 0, "model={name: timm/test_resnet, widths: null}", "training.epochs=1")
    train(recipe, tmp_path, ONE_THREAD)
    config = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("pretrained: false", "pretrained: true"))
    found = tailwise.load(tmp_path, device="cpu").logits(test_inputs())
    np.testing.assert_allclose(found, np.load(tmp_path / "predictions.npz")["logits"], atol=1e-4)


def test_loading_leaves_the_random_generator_as_it_was(run: Path) -> None:
    before = torch.get_rng_state()
    tailwise.load(run)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("posthoc", "tau", "arguments"),
    [
        ("logit-adjustment", None, {}),
        ("logit-adjustment", "search", {}),
        ("rebalance", 0.7, {}),
        ("prior-shift", None, {"test_prior": "uniform"}),
        ("prior-shift", None, {}),
        ("thresholds", None, {"metric": "balanced_accuracy"}),
        ("cost-sensitive", None, {"costs": [1] * 9 + [9]}),
    ],
)
def test_correction_predicts_what_evaluate_reports(posthoc: str, tau: Any, arguments: Any, run: Path) -> None:
    predictor = tailwise.load(run, posthoc, tau=tau, **arguments)
    targets = np.load(run / "predictions.npz")["targets"]
    probabilities, classes = predictor.decide(predictor.logits(test_inputs()))
    expected = evaluate(run, posthoc, tau, "natural", **arguments)
    assert expected.corrected is not None
    assert (classes == targets).mean() == pytest.approx(expected.corrected["accuracy"])
    assert any(expected.name in note for note in predictor.notes)
    if posthoc not in ("thresholds", "cost-sensitive"):
        report = classification_report(np.log(probabilities), targets, predictor.run.class_counts)
        assert report["ece"] == pytest.approx(expected.corrected["ece"], abs=1e-6)


def test_row_of_the_recipe_is_its_correction(run: Path) -> None:
    images = test_inputs()
    found = tailwise.load(run, "ce+la").predict_proba(images)
    np.testing.assert_array_equal(found, tailwise.load(run, "logit-adjustment", tau=1).predict_proba(images))


def test_probabilities_are_calibrated_on_the_validation_samples_and_classes_stay(run: Path) -> None:
    predictor = tailwise.load(run)
    logits = np.load(run / "predictions.npz")["logits"].astype(np.float64)
    cooled = evaluate(run, "temperature", None, "natural").corrected
    probabilities, classes = predictor.decide(logits)
    np.testing.assert_array_equal(classes, logits.argmax(axis=1))
    report = classification_report(np.log(probabilities), np.load(run / "predictions.npz")["targets"], [1] * 10)
    assert cooled is not None
    assert report["ece"] == pytest.approx(cooled["ece"], abs=1e-6)
    assert "calibrated, for data with the class frequencies of training" in predictor.notes[0]


def test_thresholds_choose_the_class_and_leave_the_probabilities(run: Path) -> None:
    images = test_inputs()
    plain, decided = tailwise.load(run), tailwise.load(run, "thresholds")
    np.testing.assert_array_equal(plain.predict_proba(images), decided.predict_proba(images))
    assert (plain.predict(images) != decided.predict(images)).any()


def test_run_without_held_out_samples_says_how_to_hold_some_out(tmp_path: Path) -> None:
    train(quick_recipe(), tmp_path, ONE_THREAD)
    (note,) = tailwise.load(tmp_path).notes
    assert "not calibrated" in note
    assert "--set data.validation_fraction=0.1" in note
    with pytest.raises(InputError, match="has no validation samples"):
        tailwise.load(tmp_path, "temperature")


@pytest.mark.parametrize("arguments", [{"posthoc": "rebalance"}, {"posthoc": "prior-shift"}])
def test_correction_of_a_whole_set_is_refused_for_a_single_sample(arguments: Any, run: Path) -> None:
    with pytest.raises(InputError, match="at least one for each class, got 1 for 10 classes"):
        tailwise.load(run, **arguments).predict(test_inputs()[0])


def test_estimated_prior_is_told_once_it_is_there(run: Path) -> None:
    predictor = tailwise.load(run, "prior-shift")
    predictor.predict(test_inputs())
    assert f"estimated from all {len(test_inputs())} test logits at once" in predictor.notes[-1]


def test_one_image_and_a_batch_with_or_without_the_channel_are_the_same(run: Path) -> None:
    predictor, images = tailwise.load(run), test_inputs()[:12]
    expected = predictor.predict_proba(images)
    assert expected.sum(axis=1) == pytest.approx(1)
    for one in (images[3], images[3, :, :, 0], torch.from_numpy(images[3]), images[3].tolist()):
        given = np.asarray(one, dtype=np.uint8) if isinstance(one, list) else one
        np.testing.assert_allclose(predictor.predict_proba(given), expected[3:4], rtol=1e-5)
    np.testing.assert_allclose(predictor.predict_proba(images[..., 0], batch_size=5), expected, rtol=1e-5)
    assert predictor.predict(images).tolist() == [str(index) for index in expected.argmax(axis=1)]


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        (np.zeros((2, 8, 8, 1), np.float32), "uint8 images (N, 8, 8, 1) or one of them, got float32"),
        (np.zeros((2, 9, 8, 1), np.uint8), "got uint8 of shape (2, 9, 8, 1)"),
        (np.zeros((0, 8, 8, 1), np.uint8), "got uint8 of shape (0, 8, 8, 1)"),
        ([[1, 2], [3]], "got what is no array"),
        ("nowhere.png", "there is no nowhere.png"),
        ([], "inputs must be uint8"),
    ],
)
def test_what_is_no_input_is_refused(inputs: Any, part: str, run: Path) -> None:
    with pytest.raises(InputError) as error:
        tailwise.load(run).predict(inputs)
    assert part in str(error.value)


def _without(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def _truncated(run: Path) -> None:
    content = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(content[: len(content) // 2])


def _of_another_network(run: Path) -> None:
    state = load_file(run / "weights.safetensors")
    save_file({**state, "head.weight": torch.zeros(3, 64)}, run / "weights.safetensors")


def _more_weights(run: Path) -> None:
    save_file({**load_file(run / "weights.safetensors"), "extra": torch.zeros(2)}, run / "weights.safetensors")


def _edited(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(run: Path) -> None:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new))

    return edit


def _earlier(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    del summary["input_shape"]
    (run / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (shutil.rmtree, "there is no run directory"),
        (_without("summary.json"), "holds no finished run"),
        (_without("config.yaml"), "config.yaml cannot be read"),
        (_without("weights.safetensors"), "there is no"),
        (_without("predictions.npz"), "predictions.npz cannot be read"),
        (_truncated, "weights.safetensors cannot be read"),
        (_of_another_network, "head.weight is to have shape (10, 64) of float32 and has shape (3, 64)"),
        (_more_weights, "extra is to have none and has shape (2,)"),
        (_edited("config.yaml", "name: mlp", "name: lenet"), "lenet has fixed widths"),
        (_edited("config.yaml", "epochs: 12", "epochs: many"), "config.yaml: training.epochs"),
        (_earlier, "an earlier version trained it"),
    ],
)
def test_broken_or_foreign_run_is_one_line(damage: Callable[[Path], None], part: str, copied: Path) -> None:
    damage(copied)
    with pytest.raises(InputError) as error:
        tailwise.load(copied)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_row_of_a_recipe_of_ones_own_is_not_known(copied: Path) -> None:
    _edited("summary.json", "digits/long-tailed-if20", "mine")(copied)
    with pytest.raises(InputError) as error:
        tailwise.load(copied, "ce+la")
    assert "no correction 'ce+la'; take one of cost-sensitive, logit-adjustment, " in str(error.value)
    assert "known of the recipes that come with the package, not of your own" in str(error.value)


def test_run_without_class_names_predicts_indices(copied: Path) -> None:
    summary = json.loads((copied / "summary.json").read_text())
    del summary["class_names"]
    (copied / "summary.json").write_text(json.dumps(summary))
    assert tailwise.load(copied).class_names == tuple(map(str, range(10)))


@pytest.mark.parametrize(
    ("posthoc", "arguments", "part"),
    [
        ("magic", {}, "no correction is named 'magic'"),
        ("ce+la", {"tau": 2}, "ce+la has its arguments from its recipe"),
        ("prior-shift", {"test_prior": [1, 2]}, "test_prior must be"),
        ("rebalance", {"metric": "f1"}, "has no argument 'metric'"),
    ],
)
def test_correction_that_does_not_fit_is_one_line(posthoc: str, arguments: Any, part: str, run: Path) -> None:
    with pytest.raises(InputError) as error:
        tailwise.load(run, posthoc, **arguments)
    assert part in str(error.value)


def test_logits_that_are_not_finite_are_refused(copied: Path) -> None:
    state = load_file(copied / "weights.safetensors")
    save_file({**state, "head.bias": torch.full((10,), torch.inf)}, copied / "weights.safetensors")
    with pytest.raises(InputError, match="the logits of input 0 are not finite"):
        tailwise.load(copied).predict(test_inputs()[:2])
