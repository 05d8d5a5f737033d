"""Train one classifier from a recipe."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from tailwise.cli.options import Compiled, DataRoot, Device, Settings, Threads
from tailwise.cli.signals import end_at_once
from tailwise.terminal import echo

EXAMPLE = "Example: tailwise train digits/long-tailed-if20 --loss gppe --set training.epochs=30"


def run(
    recipe: Annotated[str, typer.Argument(help="A name from `tailwise recipes`, or a YAML file of your own.")],
    loss: Annotated[
        str | None, typer.Option(help="A method of the recipe, or any loss of `tailwise losses`.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Replaces the recipe's.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run directory; by default runs/<recipe>/<loss>/seed-<n>.", show_default=False),
    ] = None,
    settings: Settings = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: Threads = None,
    compiled: Compiled = False,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1, help="That train together, of each machine; by default one, or torchrun's.", show_default=False
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that train together.")] = 1,
    parallel: Annotated[
        Literal["ddp", "fsdp"],
        typer.Option(help="Each device holds the whole network, or a part of it: for heads of very many classes."),
    ] = "ddp",
) -> None:
    from tailwise.cli.display import console, epoch_progress, metrics_table
    from tailwise.distributed import is_first_process
    from tailwise.errors import InputError, StoppedError
    from tailwise.recipes.catalog import load_recipe
    from tailwise.report.runs import summary_notes
    from tailwise.training.device import launched_with
    from tailwise.training.engine import RunOptions, train
    from tailwise.training.run_directory import RunDirectory
    from tailwise.training.sweep import Job, epochs_left, run_directory

    devices, nodes = launched_with(devices, nodes)
    several = devices * nodes > 1
    if several:
        end_at_once()
    silent = several and not is_first_process()
    try:
        resolved = load_recipe(recipe).resolve(loss, seed, settings or ())
    except InputError as error:
        raise (StoppedError() if silent else error) from error
    folder = out or run_directory(Path("runs"), resolved)
    if resume and not silent and not RunDirectory(folder).begun:
        echo(f"note: there is nothing to go on with in {folder}; the training begins", err=True)
    command = shlex.join(["tailwise", *sys.argv[1:]])
    epochs = epochs_left([Job(resolved, folder, command)])
    with epoch_progress(f"{resolved.recipe} {resolved.method}", epochs, shown=not silent) as on_epoch:
        options = RunOptions(data_root, device, threads, resume, compiled, command, on_epoch)
        options = replace(options, devices=devices, nodes=nodes, parallel=parallel)
        summary = train(resolved, folder, options)
    if silent:
        return
    metrics = {name.removeprefix("test/"): value for name, value in summary["metrics"].items()}
    title = f"{resolved.recipe} · {resolved.method} · seed {resolved.seed} · last epoch, test set, percent"
    console().print(title, style="bold", soft_wrap=True)
    console().print(metrics_table({summary["model"]: metrics}))
    footer = f"{summary['num_parameters']:,} parameters, {summary['seconds']:.1f} s, data {summary['data']}. "
    footer += f"Run directory: {folder}"
    console().print(" ".join((*summary_notes(summary), footer)), soft_wrap=True)
