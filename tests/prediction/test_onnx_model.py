"""ONNX files: every kind of network, read by onnxruntime, gives what the predictor gives."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import tailwise
from recipe_trees import quick_recipe
from run_cases import run_of
from tailwise.data.sources import SOURCES
from tailwise.errors import InputError
from tailwise.losses import CrossEntropyLoss, LDAMLoss
from tailwise.models.classifier import build_classifier
from tailwise.prediction import onnx_model
from tailwise.prediction.decision import Decision
from tailwise.prediction.files import SampleReader
from tailwise.prediction.network import TrainedNetwork
from tailwise.prediction.onnx_model import ExportError, export_onnx
from tailwise.prediction.predictor import Predictor
from tailwise.training.engine import RunOptions, train

NUM_CLASSES = 5
NETWORKS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "lenet": ((28, 28, 1), {"model": "lenet"}),
    "cnn": ((16, 12, 3), {"model": "cnn"}),
    "alexnet": ((65, 65, 3), {"model": "alexnet"}),
    "resnet10": ((32, 32, 3), {"model": "resnet10"}),
    "resnet32": ((32, 32, 3), {"model": "resnet32"}),
    "mlp of images": ((8, 8, 1), {"model": "mlp"}),
    "mlp of a table": ((7,), {"model": "mlp", "widths": (9,)}),
    "cosine head": ((8,), {"model": "mlp", "head": "cosine", "scale": 16.0}),
    "experts": ((16, 16, 3), {"model": "resnet20", "experts": 3}),
}


def untrained(shape: tuple[int, ...], arguments: dict[str, Any]) -> Predictor:
    """A network of random weights, whose batch normalisation has seen some inputs."""
    torch.manual_seed(0)
    size = (8, *shape)
    inputs = torch.randint(0, 256, size, dtype=torch.uint8) if len(shape) == 3 else torch.randn(size)
    classifier = build_classifier(inputs, NUM_CLASSES, **arguments)
    with torch.no_grad():
        classifier(inputs)
    loss = LDAMLoss([9, 7, 5, 3, 1]) if arguments.get("scale") == 1 else CrossEntropyLoss()
    network = TrainedNetwork(classifier, loss).eval()
    run = replace(run_of("mine", "ce", 0, 0.5), class_names=tuple("abcde"), input_shape=shape)
    return Predictor(run, network, SampleReader(SOURCES["digits"](), shape, None), Decision(), (), "cpu")


def assert_same(path: Path, predictor: Predictor) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shape = predictor.reader.shape
    generator = np.random.default_rng(3)
    for size in (1, 4):
        noise = generator.integers(0, 256, (size, *shape))
        inputs = noise.astype(np.uint8) if len(shape) == 3 else (noise / 128).astype(np.float32)
        logits, probabilities, indices = session.run(None, {"inputs": inputs})
        expected = predictor.logits(inputs)
        np.testing.assert_allclose(logits, expected, atol=1e-4 * max(1, np.abs(expected).max()))
        np.testing.assert_allclose(probabilities, predictor.predict_proba(inputs), atol=1e-4)
        np.testing.assert_array_equal(np.array(predictor.class_names)[indices], predictor.predict(inputs))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_computes_the_same_for_any_number_of_inputs(name: str, tmp_path: Path) -> None:
    predictor = untrained(*NETWORKS[name])
    assert export_onnx(predictor, tmp_path / "model.onnx") <= 1e-4
    assert_same(tmp_path / "model.onnx", predictor)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.usefixtures("timm_importable")
@pytest.mark.parametrize("name", ["timm/resnet18", "timm/vit_tiny_patch16_224"])
def test_network_of_timm_computes_the_same(name: str, tmp_path: Path) -> None:
    predictor = untrained((32, 32, 3), {"model": name})
    export_onnx(predictor, tmp_path / "model.onnx")
    assert_same(tmp_path / "model.onnx", predictor)


def test_cosines_are_scaled_in_the_file(tmp_path: Path) -> None:
    predictor = untrained((8,), {"model": "mlp", "head": "cosine", "scale": 1.0})
    export_onnx(predictor, tmp_path / "model.onnx")
    assert_same(tmp_path / "model.onnx", predictor)
    assert np.abs(predictor.logits(np.ones(8))).max() > 1


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "ce"
    train(quick_recipe("ce", 0, "data.validation_fraction=0.3", "training.epochs=12"), path, RunOptions(device="cpu"))
    return path


@pytest.mark.parametrize(
    ("posthoc", "arguments"),
    [
        (None, {}),
        ("logit-adjustment", {"tau": 1.5}),
        ("temperature", {}),
        ("prior-shift", {"test_prior": "uniform"}),
        ("thresholds", {}),
        ("cost-sensitive", {"costs": [[float(i != j) * (1 + i) for j in range(10)] for i in range(10)]}),
    ],
)
def test_correction_of_single_samples_is_in_the_file(
    posthoc: str | None, arguments: Any, run: Path, tmp_path: Path
) -> None:
    predictor = tailwise.load(run, posthoc, **arguments)
    export_onnx(predictor, tmp_path / "model.onnx")
    assert_same(tmp_path / "model.onnx", predictor)


def test_router_decides_as_it_does_outside(tmp_path: Path) -> None:
    settings = ("model={name: resnet20, widths: null}", "experts.number=3", "stage2={name: routing, epochs: 1}")
    train(quick_recipe("ce", 0, *settings, "training.epochs=1"), tmp_path / "run", RunOptions(device="cpu"))
    predictor = tailwise.load(tmp_path / "run")
    export_onnx(predictor, tmp_path / "model.onnx")
    assert_same(tmp_path / "model.onnx", predictor)


@pytest.mark.parametrize("posthoc", ["rebalance", "prior-shift"])
def test_correction_of_a_whole_set_is_refused(posthoc: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="looks at all samples at once"):
        export_onnx(tailwise.load(run, posthoc), tmp_path / "model.onnx")


def test_metadata_name_the_classes_and_the_correction(run: Path, tmp_path: Path) -> None:
    export_onnx(tailwise.load(run, "logit-adjustment"), tmp_path / "model.onnx")
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(metadata["class_names"]) == [str(digit) for digit in range(10)]
    assert "Corrected by logit-adjustment, tau 1." in metadata["notes"]
    assert (metadata["recipe"], metadata["loss"]) == ("digits/long-tailed-if20", "ce")


def test_file_that_computes_something_else_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = onnx_model._exported

    def spoiled(model: Any, predictor: Predictor) -> bytes:
        bias = predictor.network.classifier.head.bias
        content = exported(model, predictor)
        bias.data[0] += 0.01
        return content

    monkeypatch.setattr(onnx_model, "_exported", spoiled)
    with pytest.raises(ExportError, match=r"differs from the network by .* in the probabilities.*nothing was written"):
        export_onnx(tailwise.load(run), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_export_says_nothing_of_its_insides(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export_onnx(tailwise.load(run), tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_missing_library_is_one_line(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxscript" else find_spec(name, *rest)
    )
    with pytest.raises(InputError, match=r"an ONNX file needs onnxscript, .* pip install 'tailwise\[onnx\]'"):
        export_onnx(tailwise.load(run), tmp_path / "model.onnx")
