"""A run of which somebody has made something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tailwise.recipes.catalog import load_recipe
from tailwise.training.engine import RunOptions, train

SETTINGS = ("training.epochs=1", "data.validation_fraction=0.2")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on digits, and a file to predict."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = load_recipe("digits/long-tailed-if20").resolve("ce", 0, SETTINGS)
    train(recipe, folder / "run", RunOptions(device="cpu", threads=1))
    np.savez(folder / "new.npz", inputs=np.zeros((2, 8, 8, 1), np.uint8))
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a copy of the run."""
    shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"
