"""Finished runs without a directory, for what reads and ranks them."""

from __future__ import annotations

from pathlib import Path

from tailwise.report.runs import Run


def run_of(recipe: str, loss: str, seed: int, value: float, **more: float) -> Run:
    """A run whose balanced accuracy is ``value``; ``more`` are further metrics."""
    return Run(
        path=Path(f"{recipe}/{loss}/seed-{seed}"),
        recipe=recipe,
        loss=loss,
        seed=seed,
        command="",
        model="mlp",
        num_parameters=10,
        epochs=7,
        seconds=1.0,
        class_counts=(90, 10),
        class_names=("a", "b"),
        metrics={"balanced_accuracy": value, **more},
    )
