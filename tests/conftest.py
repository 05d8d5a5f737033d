"""Where the tests find reference cases and real data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from small_data import write_small_data

os.environ.setdefault("HF_HUB_OFFLINE", "1")

REPOSITORY = Path(__file__).parents[1]


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default)).resolve()
    if not folder.is_dir():
        pytest.exit(f"{folder} is missing: set {variable} to the folder of reference {default}", returncode=2)
    return folder


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: TAILWISE_DATA, or shared/data beside the repository."""
    return _folder("TAILWISE_DATA", "data")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few samples of each data set that is not among the real ones."""
    root = tmp_path_factory.mktemp("small-data")
    write_small_data(root)
    return root


def golden(name: str) -> list[dict[str, Any]]:
    """The reference cases of one method: TAILWISE_GOLDEN, or shared/golden beside the repository."""
    cases: list[dict[str, Any]] = json.loads((_folder("TAILWISE_GOLDEN", "golden") / f"{name}.json").read_text())
    return cases
