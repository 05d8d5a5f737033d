"""Train one classifier from one recipe, and leave a run directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailwise.data.loader import prepare
from tailwise.recipes.config import Recipe
from tailwise.training.device import Device, build_fabric, set_threads, threads_restored
from tailwise.training.logs import check_logs, run_logs
from tailwise.training.memory import keep_freed_memory
from tailwise.training.run import Run, TrainingError
from tailwise.training.run_directory import RunDirectory

__all__ = ["RunOptions", "TrainingError", "train"]


def _ignore(line: dict[str, Any]) -> None:
    """The default listener."""


@dataclass(frozen=True)
class RunOptions:
    """What of a run does not change its result, up to rounding: where it reads, computes and reports.

    data_root: folder of data sets.
    device: "auto" takes CUDA where there is one.
    threads: of the CPU; by default as many as torch takes.
    resume: go on with an interrupted run.
    compile: train the network through ``torch.compile``, with CUDA graphs on a GPU; its first steps take a minute.
    command: what the user typed, for the record.
    on_epoch: called with each line of ``metrics.jsonl``.
    tested: test the last weights. A trial of a search does without: the test samples are not even read, and its
        summary has metrics of the validation samples instead.
    wait: for another process that trains in the directory, instead of refusing.
    """

    data_root: Path | None = None
    device: Device = "auto"
    threads: int | None = None
    resume: bool = False
    compile: bool = False
    command: str = ""
    on_epoch: Callable[[dict[str, Any]], None] = _ignore
    tested: bool = True
    wait: bool = False


def train(recipe: Recipe, out: Path, options: RunOptions = RunOptions()) -> dict[str, Any]:
    """Train, test after the last epoch, and leave a run directory at ``out``.

    Deterministic from ``recipe.seed``: on a CPU with the same number of threads, interrupted and resumed anywhere, to
    the bit. Sets torch's seed and cuDNN's deterministic mode, and lets the process keep the memory that it frees.

    Returns:
        What ``summary.json`` holds; that of the finished run where there is one and ``resume`` is on.

    Raises:
        InputError: the data, the recipe or the directory cannot be used.
        TrainingError: the loss is no longer finite.
    """
    directory = RunDirectory(out)
    config = recipe.model_dump(mode="json")
    directory.check(config, options.resume)
    if directory.finished:
        return directory.read_summary()
    keep_freed_memory()
    with threads_restored():
        return _train(recipe, directory, config, options)


def _train(recipe: Recipe, directory: RunDirectory, config: dict[str, Any], options: RunOptions) -> dict[str, Any]:
    check_logs(recipe.logging)
    set_threads(options.threads)
    fabric = build_fabric(recipe, options.device)
    data = prepare(recipe.data, options.data_root, options.tested)
    run = Run(recipe, directory, fabric, data, options.compile)
    samples = {name: chosen.indices for name, chosen in data.parts.items()}
    with directory.opened(config, samples, data.fingerprint(), options.wait):
        if directory.finished:  # by the process that was waited for
            return directory.read_summary()
        directory.write_environment(fabric.device.type, run.train_batches.residence)
        with run_logs(recipe, directory, config, fabric.is_global_zero) as logs:

            def on_epoch(line: dict[str, Any]) -> None:
                logs.catch_up()
                options.on_epoch(line)

            run.fit(on_epoch)
            summary = run.finish(options.command)
            logs.finish(summary["metrics"])
        return summary
