"""Train one classifier from one recipe, and leave a run directory."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailwise.data.loader import prepare
from tailwise.distributed import is_first_process
from tailwise.errors import InputError, StoppedError, TailwiseWarning, TrainingError
from tailwise.recipes.config import Recipe
from tailwise.training.device import Device, Parallel, build_fabric, set_threads, threads_restored
from tailwise.training.faults import faults_named
from tailwise.training.interrupts import interrupts_handled_by
from tailwise.training.logs import check_logs, run_logs
from tailwise.training.memory import keep_freed_memory
from tailwise.training.processes import Processes
from tailwise.training.run import Run
from tailwise.training.run_directory import RunDirectory

__all__ = ["RunOptions", "TrainingError", "train"]

OF_LAUNCHERS = ("NODE_RANK", "GROUP_RANK", "SLURM_NTASKS", "OMPI_COMM_WORLD_RANK", "LSB_JOBID")
"""What tells a process which of several machines it is on."""


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
    devices: of each machine that train together, a process each.
    nodes: machines that train together.
    parallel: how several processes hold the network, each the whole ("ddp") or each a part ("fsdp").
    on_epoch: called with each line of ``metrics.jsonl``, in the first process.
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
    devices: int = 1
    nodes: int = 1
    parallel: Parallel = "ddp"
    wait: bool = False


def train(recipe: Recipe, out: Path, options: RunOptions = RunOptions()) -> dict[str, Any]:
    """Train, test after the last epoch, and leave a run directory at ``out``.

    Deterministic from ``recipe.seed``: on a CPU with the same number of threads, interrupted and resumed anywhere, to
    the bit. A process that is killed at any moment loses the current epoch at most, and so does one that fails. Sets
    torch's seed and cuDNN's deterministic mode, and lets the process keep the memory that it frees.

    Returns:
        What ``summary.json`` holds; that of the finished run where there is one and ``resume`` is on. Of several
        processes the first alone returns it, and the others an empty dictionary.

    Raises:
        InputError: the data, the recipe or the directory cannot be used.
        TrainingError: the loss or a weight is no longer finite, memory is short, or the directory cannot be written any
            more.
    """
    directory = RunDirectory(out)
    keep_freed_memory()
    with threads_restored(), faults_named(out, recipe.training.batch_size):
        return _train(recipe, directory, _started(recipe, options), options)


def _started(recipe: Recipe, options: RunOptions) -> Processes:
    """The processes that train the run, this one among them; the others of this machine begin here, if none began them.

    Raises:
        InputError: there are no such devices, or the recipe cannot be trained by several.
    """
    if options.devices * options.nodes > 1:
        try:
            _check_several(recipe, options)
        except InputError as error:  # found by all of them, if something else has begun them
            raise (error if is_first_process() else StoppedError()) from error
    fabric = build_fabric(recipe, options.device, options.devices, options.nodes, options.parallel)
    if options.nodes > 1 and is_first_process():
        warnings.warn(f"waiting for the processes of {options.nodes} machines", TailwiseWarning, stacklevel=3)
    # Processes wait here for one another to begin, where no handler of Python's is called.
    with interrupts_handled_by(signal.SIG_DFL):
        fabric.launch()
    return Processes(fabric)


def _check_several(recipe: Recipe, options: RunOptions) -> None:
    if options.nodes > 1 and not any(name in os.environ for name in OF_LAUNCHERS):
        raise InputError(
            f"--nodes {options.nodes} is to be begun on each of them by torchrun or srun, or with MASTER_ADDR, "
            "MASTER_PORT and NODE_RANK set; for one machine leave it out"
        )
    if options.compile:
        raise InputError("--compile is for one device; leave it out, or train on one")
    if options.parallel == "ddp":
        return
    whole = {"stage2": recipe.stage2.name, "contrastive": recipe.contrastive.name}
    for section, name in whole.items():
        if name != "none":
            raise InputError(
                f"--parallel fsdp keeps the network in parts, but {section} {name} needs it whole; take --parallel ddp"
            )


def _train(recipe: Recipe, directory: RunDirectory, processes: Processes, options: RunOptions) -> dict[str, Any]:
    config = recipe.model_dump(mode="json")
    with processes.training():
        with processes.agreed():
            set_threads(options.threads)
            if processes.first:
                directory.check(config, options.resume)
        if processes.first_says(directory.finished):
            return directory.read_summary() if processes.first else {}
        with processes.agreed():
            if processes.first:
                check_logs(recipe.logging)
            data = prepare(recipe.data, options.data_root, options.tested)
        fingerprint = data.fingerprint()
        differ = "the data are not the same on all machines; give --data-root the same files everywhere"
        processes.same(fingerprint, differ)
        with processes.agreed():
            run = Run(recipe, directory, processes, data, options.compile)
        run.begin()
        samples = {name: chosen.indices for name, chosen in data.parts.items()}
        with ExitStack() as stack:
            with processes.agreed():
                if processes.first:
                    stack.enter_context(directory.opened(config, samples, fingerprint, options.wait))
                    if not directory.finished:
                        directory.write_environment(processes.fabric.device.type, run.train_batches.residence)
            if processes.first_says(directory.finished):  # by the process that was waited for
                return directory.read_summary() if processes.first else {}
            logs = stack.enter_context(run_logs(recipe, directory, config, processes.first))

            def on_epoch(line: dict[str, Any]) -> None:
                logs.catch_up()
                options.on_epoch(line)

            run.fit(on_epoch)
            summary = run.finish(options.command)
            if processes.first:
                logs.finish(summary["metrics"])
    return summary if processes.first else {}
