"""Runs with a contrastive branch: what is trained, left and resumed, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from recipe_trees import quick_recipe, stop_after
from tailwise.data.augment import steps
from tailwise.errors import InputError
from tailwise.recipes.config import Recipe
from tailwise.training import contrast as contrast_module
from tailwise.training import run as run_module
from tailwise.training.engine import RunOptions, train

ONE_THREAD = RunOptions(threads=1, device="cpu")
LONGER = "training.epochs=20"
CROP = "data.augmentation=[{name: crop, padding: 1}]"


def contrasted(*settings: str) -> Recipe:
    return quick_recipe("balanced_softmax", 0, "contrastive={name: bcl, hidden: 16, dimensions: 8}", CROP, *settings)


def test_branch_changes_the_weights_and_is_not_left_with_them(tmp_path: Path) -> None:
    plain = train(quick_recipe("balanced_softmax", 0, CROP, LONGER), tmp_path / "plain", ONE_THREAD)
    beside = train(contrasted(LONGER), tmp_path / "beside", ONE_THREAD)
    weights = [load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "beside")]
    assert weights[0].keys() == weights[1].keys()
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert plain["num_parameters"] == beside["num_parameters"]
    assert beside["metrics"]["test/balanced_accuracy"] > 0.3


def test_views_are_augmented_each_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def recording(images: torch.Tensor, chosen: list[steps.StepModel], *further: Any) -> torch.Tensor:
        found = steps.augment(images, chosen, *further)
        seen.append((len(chosen), found.clone()))
        return found

    for module in (run_module, contrast_module):
        monkeypatch.setattr(module, "augment", recording)
    further = "contrastive.augmentation=[{name: crop, padding: 2}, {name: flip}]"
    train(contrasted(further, "training.epochs=1"), tmp_path, ONE_THREAD)
    first, second, third = seen[:3]
    assert [number for number, _ in (first, second, third)] == [1, 2, 2]
    assert not torch.equal(second[1], third[1])


@pytest.mark.parametrize("settings", [(), ("stage2={name: crt, epochs: 2}",)])
def test_interrupted_run_ends_with_the_same_weights(settings: tuple[str, ...], tmp_path: Path) -> None:
    recipe = contrasted(*settings)
    train(recipe, tmp_path / "whole", ONE_THREAD)
    for epoch in range(1, recipe.total_epochs):
        path = tmp_path / f"after-{epoch}"
        with pytest.raises(KeyboardInterrupt):
            train(recipe, path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(epoch)))
        train(recipe, path, RunOptions(threads=1, device="cpu", resume=True))
        whole, resumed = (load_file(p / "weights.safetensors") for p in (tmp_path / "whole", path))
        assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_loss_that_takes_features_takes_those_of_the_first_view(tmp_path: Path) -> None:
    settings = ("contrastive={name: bcl, hidden: 16, dimensions: 8}", CROP)
    summary = train(quick_recipe("influence_balanced", 0, *settings, LONGER), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/balanced_accuracy"] > 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("mixing.name=mixup",), "bcl compares samples of one class each, but mixing is mixup"),
        (("data.augmentation=[]",), "without augmentation are the same"),
        (("model={name: resnet20, widths: null}", "experts.number=2"), "bcl is for one head"),
        (("contrastive.factor=0",), "contrastive"),
    ],
)
def test_what_does_not_go_with_it_is_named(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        contrasted(*settings)


def test_views_must_fit_the_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cutout.length must be at most the 8 pixels"):
        train(contrasted("contrastive.augmentation=[{name: cutout, length: 9}]"), tmp_path, ONE_THREAD)
