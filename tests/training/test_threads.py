"""The number of threads that a training takes by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recipe_trees import quick_recipe
from tailwise.models.classifier import build_classifier
from tailwise.training.engine import RunOptions, train
from tailwise.training.threads import useful_threads


@pytest.fixture
def eight_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)


@pytest.mark.parametrize(
    ("model", "shape", "batch_size", "threads"),
    [
        ("lenet", (28, 28, 1), 100, 1),  # 0.25e9 operations
        ("resnet32", (32, 32, 3), 128, 8),  # 53e9
        ("resnet32", (32, 32, 3), 32, 7),
        ("mlp", (8,), 64, 1),
    ],
)
def test_threads_follow_the_work_of_a_step(
    model: str, shape: tuple[int, ...], batch_size: int, threads: int, eight_threads: None
) -> None:
    inputs = torch.zeros(2, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
    classifier = build_classifier(inputs, 10, model).train()
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    assert useful_threads(classifier, shape, batch_size) == threads
    assert classifier.training
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_run_records_the_threads_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    train(quick_recipe(), tmp_path, RunOptions(device="cpu"))
    assert taken == [1, torch.get_num_threads()]
    assert json.loads((tmp_path / "environment.json").read_text())["threads"] == torch.get_num_threads()
