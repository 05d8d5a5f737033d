"""Run directories of a comparison that nobody trained: as many methods, seeds and classes as one wants, in seconds.

Written through the library's own RunDirectory, with logits that are better for frequent classes than for rare ones, as
those of real runs are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tailwise.data.profiles import exponential_counts
from tailwise.metrics import classification_report
from tailwise.recipes.catalog import load_recipe
from tailwise.training.run_directory import RunDirectory

NEIGHBOURS = 3


def write_comparison(
    folder: Path,
    methods: Sequence[str],
    seeds: Sequence[int],
    class_names: Sequence[str],
    num_samples: int,
    recipe: str = "synthetic/long-tailed",
) -> list[Path]:
    """Runs at ``folder``/<recipe>/<number of the method>/seed-<n>, the first method the weakest; their paths.

    Args:
        folder: of the runs.
        methods: their names, of any characters.
        seeds: of each method.
        class_names: C of them, the most frequent class first.
        num_samples: test samples, about as many of each class.
        recipe: name of the recipe.
    """
    counts = exponential_counts(len(class_names), 500, 100)
    targets = np.arange(num_samples) % len(class_names)
    paths = []
    for number, method in enumerate(methods):
        for seed in seeds:
            path = folder / recipe / f"method-{number}" / f"seed-{seed}"
            _write_run(path, recipe, method, number / len(methods), seed, list(class_names), list(counts), targets)
            paths.append(path)
    return paths


def _write_run(
    path: Path,
    recipe: str,
    method: str,
    strength: float,
    seed: int,
    class_names: list[str],
    counts: list[int],
    targets: NDArray[np.int64],
) -> None:
    template = load_recipe("digits/long-tailed-if20").resolve("ce", seed)
    config = {**template.model_dump(mode="json"), "recipe": recipe, "method": method}
    directory = RunDirectory(path)
    indices = {"train": np.arange(sum(counts)), "test": np.arange(len(targets))}
    logits = _logits(strength, seed, np.array(counts), targets)
    with directory.opened(config, indices, "synthetic"):
        directory.write_environment("cpu", "synthetic")
        for epoch in range(1, template.training.epochs + 1):
            loss = (2 + strength) * math.exp(-epoch / 10) + 0.01 * seed
            line = {"epoch": epoch, "stage": 1, "train/loss": loss, "lr": 0.002, "seconds": 0.1}
            directory.append_metrics({**line, "test/accuracy": 0.6 - 0.5 * math.exp(-epoch / 15) + 0.01 * seed})
        directory.write_arrays("predictions.npz", logits=logits, targets=targets)
        report = classification_report(logits, targets, counts)
        directory.write_summary(
            {
                "recipe": recipe,
                "loss": method,
                "seed": seed,
                "command": f"tailwise train {recipe} --loss '{method}' --seed {seed}",
                "model": "mlp",
                "num_parameters": 8970,
                "epochs": template.training.epochs,
                "class_counts": counts,
                "class_names": class_names,
                "metrics": {f"test/{name}": value for name, value in report.items()},
                "seconds": 6.0,
            }
        )


def _logits(strength: float, seed: int, counts: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float32]:
    """(N, C) noise, a bias to frequent classes that better methods have less of, and confusions with next classes."""
    generator = np.random.default_rng((seed, round(1000 * strength)))
    num_classes = len(counts)
    logits = generator.normal(size=(len(targets), num_classes)) + (1 - strength) * np.log(counts / counts.max())
    rows = np.arange(len(targets))
    logits[rows, targets] += 3.5 + 0.2 * math.log(num_classes)
    near = (targets + generator.integers(1, NEIGHBOURS + 1, len(targets))) % num_classes
    logits[rows, near] += 3.0
    return logits.astype(np.float32)
