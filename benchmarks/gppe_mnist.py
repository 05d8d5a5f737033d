"""Time of one run of gppe/mnist-3v5-50-1000: tailwise beside a plain loop, in turns, in one process.

The plain loop is what the published code does, written afresh to be read: batches of 100, Adam, the two-class loss,
and an evaluation of the whole test set after every epoch. It has the network, the data and the settings of the recipe.

    TAILWISE_DATA=... python benchmarks/gppe_mnist.py --repeats 3 --out benchmarks/results/gppe_mnist.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
from sklearn.metrics import f1_score

from tailwise.data.loader import prepare
from tailwise.models.classifier import build_classifier
from tailwise.recipes.catalog import load_recipe
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train


def plain_loop(recipe: Recipe, data_root: Path) -> float:
    """Train as the published code does; returns the F1 of the last epoch."""
    data = prepare(recipe.data, data_root)
    images, labels = (torch.from_numpy(a) for a in (data.train.arrays.inputs, data.train.arrays.targets))
    test_images, test_labels = (torch.from_numpy(a) for a in (data.test.arrays.inputs, data.test.arrays.targets))
    torch.manual_seed(recipe.seed)
    network = build_classifier(images, 2, "lenet", normalize=False)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    f1 = 0.0
    for _ in range(recipe.training.epochs):
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
    return f1


def tailwise_run(recipe: Recipe, data_root: Path) -> float:
    """Train with the library, run directory and all; returns the F1 of the last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        summary = train(recipe, Path(folder) / "run", RunOptions(data_root, device="cpu"))
    return float(summary["metrics"]["test/f1"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    data_root = Path(os.environ["TAILWISE_DATA"])
    seconds: dict[str, list[float]] = {"plain loop": [], "tailwise": []}
    f1: dict[str, list[float]] = {"plain loop": [], "tailwise": []}
    for seed in range(arguments.repeats):
        recipe = load_recipe("gppe/mnist-3v5-50-1000").resolve("gppe", seed, [f"training.epochs={arguments.epochs}"])
        for name, run in (("plain loop", plain_loop), ("tailwise", tailwise_run)):
            began = time.perf_counter()
            f1[name].append(run(recipe, data_root))
            seconds[name].append(time.perf_counter() - began)
            print(f"{name:<12} seed {seed}: {seconds[name][-1]:6.1f} s, F1 {f1[name][-1]:.4f}", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "ratio": medians["tailwise"] / medians["plain loop"],
        "median_seconds": medians,
        "seconds": seconds,
        "f1": f1,
        "epochs": arguments.epochs,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
    }
    print(f"tailwise / plain loop: {result['ratio']:.2f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
