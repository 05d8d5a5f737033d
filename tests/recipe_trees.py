"""Small runs for tests of training: seconds of work, the real code path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tailwise.recipes.catalog import load_recipe
from tailwise.recipes.config import Recipe
from tailwise.training.sweep import Job, run_directory

QUICK = ("training.epochs=3", "data.profile.max_count=40", "data.profile.imbalance_factor=4")


def quick_recipe(method: str = "ce", seed: int = 0, *overrides: str) -> Recipe:
    """Three epochs on 200 digits."""
    return load_recipe("digits/long-tailed-if20").resolve(method, seed, (*QUICK, *overrides))


def sweep_jobs(out: Path, *overrides: str) -> list[Job]:
    """Two methods with two seeds each, as ``compare`` makes them."""
    recipes = [quick_recipe(method, seed, *overrides) for method in ("ce", "gppe") for seed in (0, 1)]
    return [Job(recipe, run_directory(out, recipe), f"make {recipe.method} {recipe.seed}") for recipe in recipes]


def ignore(line: dict[str, Any]) -> None:
    """A listener that does nothing."""


def stop_after(epoch: int) -> Any:
    """A listener that interrupts the run, as Ctrl-C does, after an epoch."""

    def listener(line: dict[str, Any]) -> None:
        if line["epoch"] == epoch:
            raise KeyboardInterrupt

    return listener


def read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines()
