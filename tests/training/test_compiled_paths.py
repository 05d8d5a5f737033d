"""A training takes the same steps with the compiled modules as with torch's operations alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from recipe_trees import quick_recipe
from small_data import write_small_data
from tailwise.losses import _fused
from tailwise.models import layers
from tailwise.models.classifier import Standardize
from tailwise.recipes.catalog import load_recipe
from tailwise.training.engine import RunOptions, train

SMALL = [
    "data.profile={name: natural}",
    "model.name=resnet20",
    "training.batch_size=64",
    "learning_rate.warmup_epochs=0",
    "optimizer.lr=0.002",  # with more, fourteen steps on noise multiply the rounding a thousandfold
]


def steps(
    recipe: str, method: str, settings: list[str], out: Path, root: Path
) -> tuple[list[float], dict[str, Tensor]]:
    """Loss of both epochs and the last weights."""
    resolved = load_recipe(recipe).resolve(method, 0, [*settings, "training.epochs=2"])
    train(resolved, out, RunOptions(root, device="cpu", threads=1))
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["train/loss"] for line in lines], load_file(out / "weights.safetensors")


@pytest.mark.skipif(_fused._rows is None or layers._layers is None, reason="needs the compiled modules")
@pytest.mark.parametrize(
    ("recipe", "method", "settings"),
    [("gppe/mnist-3v5-50-1000", "gppe", []), ("gala/cifar100-lt-if100", "bagmar", SMALL)],
    ids=["lenet-gppe", "resnet-gala"],
)
def test_compiled_and_plain_paths_train_alike(
    recipe: str, method: str, settings: list[str], tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = data_root
    if settings:
        root = tmp_path / "data"
        root.mkdir()
        write_small_data(root)
    losses, weights = steps(recipe, method, settings, tmp_path / "compiled", root)
    monkeypatch.setattr(_fused, "_rows", None)
    monkeypatch.setattr(layers, "_layers", None)
    # In the plain layout: torch's batch normalisation of channels-last images is off by 4e-6, the others by 1e-7.
    channels_last = Standardize.forward
    monkeypatch.setattr(Standardize, "forward", lambda self, inputs: channels_last(self, inputs).contiguous())
    plain_losses, plain_weights = steps(recipe, method, settings, tmp_path / "plain", root)
    assert losses == pytest.approx(plain_losses, rel=1e-3)
    assert losses[0] != losses[1]
    for name, value in plain_weights.items():
        torch.testing.assert_close(weights[name], value, atol=2e-3, rtol=2e-3, msg=lambda text, name=name: name + text)


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_torch_compile_trains_alike(tmp_path: Path) -> None:
    finished = [
        train(quick_recipe(), tmp_path / str(compiled), RunOptions(threads=1, device="cpu", compile=compiled))
        for compiled in (False, True)
    ]
    plain, compiled = (load_file(tmp_path / str(compiled) / "weights.safetensors") for compiled in (False, True))
    assert plain.keys() == compiled.keys()
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, atol=1e-4, rtol=1e-4)
    assert finished[0]["metrics"]["test/accuracy"] == pytest.approx(finished[1]["metrics"]["test/accuracy"], abs=0.01)
