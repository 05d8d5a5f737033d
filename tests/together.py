"""Trains recipes on one of several processes, as torchrun would begin it: RANK of PROCESSES, and where the runs go."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from recipe_trees import quick_recipe
from tailwise.losses import LOSSES
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train

ALONE = RunOptions(threads=1, device="cpu")
EXACT = ("training.precision=64-true", "training.epochs=2", "training.batch_size=43")
"""Of the 216 samples one is left for the last batch: of four processes three have nothing to do in it."""

RESNET = ("model={name: resnet20, widths: null}", "data.augmentation=[{name: crop, padding: 1}, {name: flip}]")
CNN = ("model={name: cnn, widths: null}", "data.augmentation=[{name: cutout, length: 3}]")
EXPERTS = ("model={name: resnet20, widths: null, head: cosine, scale: 16}", "experts.number=2")
CASES: dict[str, tuple[str, ...]] = {
    "batch-norm": ("ce", *RESNET, "training.epochs=1"),
    "partners": ("ce", "sampling.name=progressive", "mixing.name=balanced-mixup"),
    "boxes": ("ce", "mixing={name: cmo, start: 0, plain_epochs: 1}"),
    "class-weights": ("ldam", "model.head=cosine", "class_weights={name: deferred, start: 1}"),
    "head-on-kept-features": ("ce", "stage2={name: lws, epochs: 2}"),
    "class-means": ("ce", "stage2={name: ncm}"),
    "found-tau": ("ce", "stage2={name: tau-norm, tau: search}", "data.validation_fraction=0.2"),
    "clipped-adam": ("gppe", "optimizer={name: adamw, lr: 0.01}", "training.clip_norm=0.5"),
}
for name, spec in LOSSES.items():
    CASES[f"loss-{name}"] = (name, "model.head=cosine") if spec.cls.for_cosines else (name,)
LONG_CASES: dict[str, tuple[str, ...]] = {
    "convolutions": ("balanced_softmax", *CNN, "training.epochs=1"),
    "small-batches": ("ce", *RESNET, "sampling.name=class-balanced", "training.batch_size=6", "training.epochs=1"),
    "mixup": ("ce", *RESNET, "mixing={name: mixup, alpha: 0.4}"),
    "contrast": ("balanced_softmax", *RESNET, "contrastive={name: bcl, hidden: 16, dimensions: 8}"),
    "experts": ("ce", *EXPERTS, "stage2={name: routing, epochs: 2}"),
    "head-alone": ("ce", *RESNET, "stage2={name: crt, epochs: 2}"),
    "shifted-batch-norm": ("ce", *RESNET, "stage2={name: mislas, epochs: 2}"),
}


def recipe_of(case: str) -> Recipe:
    method, *settings = (CASES | LONG_CASES)[case]
    return quick_recipe(method, 0, *EXACT, *settings)


def start(command: Sequence[object], processes: int, places: Sequence[Path] = ()) -> list[subprocess.Popen[str]]:
    """A Python command on as many processes, which find one another by what torchrun tells them; each in its place."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**os.environ, **group, "PYTHONPATH": paths, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=places[rank] if places else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(processes)
    ]


def train_all(cases: Iterable[str], out: Path, options: RunOptions) -> None:
    for case in cases:
        train(recipe_of(case), out / case, options)


if __name__ == "__main__":
    together = replace(ALONE, devices=int(os.environ["WORLD_SIZE"]))
    train_all(LONG_CASES if sys.argv[2] == "long" else CASES, Path(sys.argv[1]), together)
