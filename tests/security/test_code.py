"""No file makes this package run code that it holds or names."""

from __future__ import annotations

import ast
import gzip
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tailwise
from cli_cases import Command

SOURCES = sorted(Path(tailwise.__file__).parent.rglob("*.py"))
RESUME = ("train", "digits/long-tailed-if20", "--loss", "ce", "--out", "run", "--resume")
SETTINGS = ("--set", "training.epochs=1", "--set", "data.validation_fraction=0.2")


class Attack:
    """Unpickled, it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("hacked",)


def npz(path: Path, *names: str) -> None:
    np.savez(path, **{name: np.array([Attack()] * 4, dtype=object) for name in names}, allow_pickle=True)


def unfinished(run: Path) -> None:
    (run / "summary.json").unlink()


def in_data(here: Path) -> list[str]:
    npz(here / "x.npz", "inputs", "targets")
    return ["inspect", "x.npz"]


def to_predict(here: Path) -> list[str]:
    npz(here / "x.npz", "inputs")
    return ["predict", "run", "x.npz"]


def in_predictions(here: Path) -> list[str]:
    npz(here / "run/predictions.npz", "logits", "targets")
    return ["evaluate", "run"]


def in_indices(here: Path) -> list[str]:
    unfinished(here / "run")
    npz(here / "run/indices.npz", "fingerprint")
    return [*RESUME, *SETTINGS]


def in_weights(here: Path) -> list[str]:
    torch.save({"head.weight": Attack()}, here / "run/weights.safetensors")
    return ["predict", "run", "new.npz"]


def in_checkpoint(here: Path) -> list[str]:
    unfinished(here / "run")
    (here / "run/state/last.safetensors").write_bytes(pickle.dumps(Attack()))
    return [*RESUME, *SETTINGS]


def in_published_data(here: Path) -> list[str]:
    (here / "gppe-mnist").mkdir()
    stored = io.BytesIO()
    np.save(stored, np.array([Attack()], dtype=object), allow_pickle=True)
    for which in "xy":
        (here / f"gppe-mnist/train_3_5_50_1000_{which}.npy.gz").write_bytes(gzip.compress(stored.getvalue()))
    return ["inspect", "gppe-mnist", "--data-root", "."]


@pytest.mark.parametrize(
    "hostile", [in_data, to_predict, in_predictions, in_indices, in_weights, in_checkpoint, in_published_data]
)
def test_pickle_in_place_of_data_is_refused_and_never_opened(
    hostile: Callable[[Path], list[str]], here: Path, tailwise_command: Command
) -> None:
    code, _, error = tailwise_command(*hostile(here))
    assert code in (1, 2)
    assert "tailwise: " in error
    assert not (here / "hacked").exists()


YAML = "!!python/object/apply:os.mkdir [hacked]"


def in_recipe(here: Path) -> list[str]:
    (here / "mine.yaml").write_text(f"name: {YAML}\n")
    return ["train", "mine.yaml"]


def in_setting(here: Path) -> list[str]:
    return ["train", "digits/long-tailed-if20", "--set", f"training.epochs={YAML}"]


def in_space(here: Path) -> list[str]:
    (here / "space.yaml").write_text(f"losses: {YAML}\n")
    return ["tune", "digits/long-tailed-if20", "--space", "space.yaml"]


def in_configuration(here: Path) -> list[str]:
    (here / "run/config.yaml").write_text(f"loss: {YAML}\n")
    return ["predict", "run", "new.npz"]


def in_configuration_to_resume(here: Path) -> list[str]:
    unfinished(here / "run")
    (here / "run/config.yaml").write_text(f"loss: {YAML}\n")
    return [*RESUME, *SETTINGS]


@pytest.mark.parametrize("hostile", [in_recipe, in_setting, in_space, in_configuration, in_configuration_to_resume])
def test_yaml_that_calls_python_is_refused(
    hostile: Callable[[Path], list[str]], here: Path, tailwise_command: Command
) -> None:
    code, _, error = tailwise_command(*hostile(here))
    assert code == 2
    assert "python/object" in error
    assert not (here / "hacked").exists()


@pytest.mark.parametrize("field", ["loss", "optimizer", "sampling", "model"])
@pytest.mark.parametrize("name", ["os.system", "tailwise.errors.InputError", "__import__('os').mkdir('hacked')"])
def test_names_in_recipes_are_of_a_list_and_never_imported(
    field: str, name: str, here: Path, tailwise_command: Command
) -> None:
    recipe = {
        "name": "mine",
        "about": "x",
        "settings": {
            "data": {"source": {"name": "digits"}},
            "model": {"name": "mlp"},
            "training": {"epochs": 1},
            field: {"name": name},
        },
        "methods": {"ce": {"loss": {"name": name}} if field == "loss" else {}},
    }
    (here / "mine.yaml").write_text(json.dumps(recipe))
    code, _, error = tailwise_command("train", "mine.yaml")
    assert code == 2
    assert "there " in error
    assert not (here / "hacked").exists()


MODULES = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "subprocess", "runpy"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"system", "popen", "Popen", "check_output", "unsafe_load", "full_load", "load_state_dict_from_url"}
LOADERS = {"load", "read_array"}
"""What is refused under these names, unless it is one of the following, our own, or numpy's without pickle."""
HARMLESS = {"json.load", "tl.load", "source.load", "config.source.load", "super().load", "MNIST().load"}


def test_source_has_no_call_that_runs_or_unpickles_what_it_reads() -> None:
    assert {path.name: found for path in SOURCES if (found := dangerous(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval(x)",
        "from torch import load\nload(x)",
        "import torch\ntorch.load(x)",
        "import torch\ntorch.hub.load(x)",
        "import yaml\nyaml.load(x, Loader=yaml.Loader)",
        "from yaml import unsafe_load\nunsafe_load(x)",
        "np.load(x, allow_pickle=True)",
        "np.load(x)",
        "np.lib.format.read_array(x, allow_pickle=True)",
        "np.lib.format.read_array(x)",
        "os.system(x)",
    ],
)
def test_such_a_call_would_be_found(source: str) -> None:
    assert dangerous(source)


def dangerous(source: str) -> list[str]:
    """Imports and calls that can run or unpickle what they are given."""
    tree = ast.parse(source)
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tailwise.")
        for alias in node.names
    }
    found = [name for name in imported if name.partition(".")[0] in MODULES]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        harmless = name in HARMLESS | own or "allow_pickle=False" in ast.unparse(call)
        if name in BUILTINS or last in METHODS or (last in LOADERS and not harmless):
            found.append(ast.unparse(call))
    return found
