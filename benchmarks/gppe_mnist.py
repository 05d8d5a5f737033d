"""Time of one run of gppe/mnist-3v5-50-1000: tailwise beside a plain loop, in turns, in one run of this script.

The plain loop is what the published code does, written afresh to be read: batches of 100, Adam, the two-class loss,
and an evaluation of the whole test set after every epoch. It has the data and the settings of the recipe, and the same
network of torch's own layers.

    TAILWISE_DATA=... python benchmarks/gppe_mnist.py --repeats 3 --out benchmarks/results/gppe_mnist.json
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from side_by_side import parser, ratio, take_turns, write
from sklearn.metrics import f1_score
from torch import nn

from tailwise.data.loader import prepare
from tailwise.recipes.catalog import load_recipe
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train


def plain_network() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 2)),
    )


def plain_loop(turn: int, epochs: int, data_root: Path) -> dict[str, float]:
    """Train as the published code does; F1 of the last epoch."""
    began = time.perf_counter()
    recipe = recipe_of(turn, epochs)
    data = prepare(recipe.data, data_root)
    images, test_images = (
        torch.from_numpy(part.arrays.inputs).permute(0, 3, 1, 2).float() / 255 for part in (data.train, data.test)
    )
    labels, test_labels = (torch.from_numpy(part.arrays.targets) for part in (data.train, data.test))
    torch.manual_seed(recipe.seed)
    network = plain_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    f1 = 0.0
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(labels)).split(100):
            probability = network(images[rows]).softmax(dim=1).gather(1, labels[rows].unsqueeze(1)).squeeze(1)
            distance = 1 - probability.detach()
            majority = labels[rows] == 0
            penalised = -(distance ** (6 - 2 * distance)) * (probability + 0.05).clamp(1e-8, 1).log()
            loss = torch.where(majority, penalised, -probability.clamp_min(1e-8).log()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            predicted = torch.cat([network(batch).softmax(dim=1).argmax(dim=1) for batch in test_images.split(100)])
        f1 = float(f1_score(test_labels, predicted))
    return {"seconds": time.perf_counter() - began, "f1": f1}


def tailwise_run(turn: int, epochs: int, data_root: Path) -> dict[str, float]:
    """Train with the library, run directory and all; F1 of the last epoch."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        summary = train(recipe_of(turn, epochs), Path(folder) / "run", RunOptions(data_root, device="cpu"))
    return {"seconds": time.perf_counter() - began, "f1": float(summary["metrics"]["test/f1"])}


def recipe_of(seed: int, epochs: int) -> Recipe:
    return load_recipe("gppe/mnist-3v5-50-1000").resolve("gppe", seed, [f"training.epochs={epochs}"])


def main(given: list[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, repeats=3)
    options.add_argument("--epochs", type=int, default=100)
    arguments = options.parse_args(given)
    data_root = Path(os.environ["TAILWISE_DATA"])
    contenders = {"plain loop": plain_loop, "tailwise": tailwise_run}
    result = take_turns(contenders, arguments.repeats, arguments.threads, epochs=arguments.epochs, data_root=data_root)
    taken = ratio(result, "seconds", "tailwise", "plain loop")
    print(f"time of tailwise / plain loop: {taken:.2f}")
    result = {"ratio": taken, "epochs": arguments.epochs, "repeats": arguments.repeats, "runs": result}
    write(arguments.out, result)
    return result


if __name__ == "__main__":
    main()
