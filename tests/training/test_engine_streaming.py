"""Training on image lists, which are decoded on the way."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from data.image_files import write_image
from recipe_trees import read_lines, stop_after
from tailwise.data.streaming import StreamedSamples
from tailwise.errors import InputError
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train

ONE_THREAD = RunOptions(threads=1, device="cpu")


def listed_recipe(folder: Path) -> Recipe:
    """Forty photographs of two classes, told apart by their colour, listed in two files."""
    for split, count in (("train", 28), ("test", 12)):
        lines = []
        for row in range(count):
            label = int(row % 4 == 0)
            write_image(folder / split / f"{row}.png", (40, 200)[label] + row)
            lines.append(f"{split}/{row}.png {label}\n")
        (folder / f"{split}.txt").write_text("".join(lines))
    source = {"name": "image-list", "train": folder / "train.txt", "test": folder / "test.txt", "image_size": 16}
    return Recipe.model_validate(
        {
            "recipe": "listed",
            "method": "ce",
            "data": {"source": {**source, "resize": 18, "train_crop": "random-resized"}},
            "model": {"name": "lenet"},
            "loss": {"name": "cross_entropy"},
            "training": {"epochs": 3, "batch_size": 8},
        }
    )


def test_a_run_is_the_same_with_and_without_workers_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = listed_recipe(tmp_path)
    summary = train(recipe, tmp_path / "whole", ONE_THREAD)
    assert summary["class_counts"] == [21, 7]
    lines = [json.loads(line) for line in read_lines(tmp_path / "whole/metrics.jsonl")]
    assert lines[-1]["train/loss"] < lines[0]["train/loss"]
    monkeypatch.setattr("tailwise.data.loader.StreamedSamples", partial(StreamedSamples, workers=2))
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", on_epoch=stop_after(1)))
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    for file in ("weights.safetensors", "predictions.npz"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()


def test_streamed_images_are_mixed_with_partners_and_resumed(tmp_path: Path) -> None:
    listed = listed_recipe(tmp_path).model_dump(mode="json")
    recipe = Recipe.model_validate(listed | {"mixing": {"name": "cmo", "start": 0, "plain_epochs": 1}})
    train(recipe, tmp_path / "whole", ONE_THREAD)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", on_epoch=stop_after(1)))
    train(recipe, tmp_path / "cut", RunOptions(threads=1, device="cpu", resume=True))
    weights = "weights.safetensors"
    assert (tmp_path / "whole" / weights).read_bytes() == (tmp_path / "cut" / weights).read_bytes()


def test_a_broken_image_ends_the_run_with_its_name_and_line(tmp_path: Path) -> None:
    recipe = listed_recipe(tmp_path)
    (tmp_path / "test/5.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"test/5\.png \(line 6 of .*test\.txt\) is not a readable image"):
        train(recipe, tmp_path / "run", ONE_THREAD)
