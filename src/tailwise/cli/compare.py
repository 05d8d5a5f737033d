"""Train methods x seeds on the same data and print one table; run it again to go on where it stopped."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from tailwise.cli.options import DataRoot, Settings, Threads, parse_names, parse_seeds

EXAMPLE = "Example: tailwise compare digits/long-tailed-if20 --loss ce,gppe,sgpl --seeds 0-4"


def run(
    recipes: Annotated[list[str], typer.Argument(help="Names from `tailwise recipes`, or YAML files of your own.")],
    loss: Annotated[
        str | None,
        typer.Option(help="Methods, comma-separated; the first is the reference. By default the recipe's own."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Such as 0-4 or 0,2,5.")] = "0-2",
    out: Annotated[Path, typer.Option(help="Runs go to OUT/<recipe>/<loss>/seed-<n>.")] = Path("runs"),
    settings: Settings = None,
    metrics: Annotated[
        str | None, typer.Option(help="Columns, comma-separated; by default those usual for the number of classes.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time; by default one per core, one on a GPU.")
    ] = None,
    data_root: DataRoot = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    threads: Threads = None,
) -> None:
    import torch

    from tailwise.cli.display import console, epoch_progress
    from tailwise.recipes.catalog import load_recipe
    from tailwise.report.comparison import compare
    from tailwise.report.runs import read_run
    from tailwise.report.table import comparison_markdown, comparison_table
    from tailwise.training.engine import RunOptions
    from tailwise.training.run_directory import write_atomically
    from tailwise.training.sweep import Job, epochs_left, run_directory, sweep

    chosen = parse_names(metrics) or None
    plan: dict[str, list[Job]] = {}
    for given in recipes:
        template = load_recipe(given)
        for method in parse_names(loss) or template.methods:
            for seed in parse_seeds(seeds):
                recipe = template.resolve(method, seed, settings or ())
                folder = run_directory(out, recipe)
                words = ["tailwise", "train", given, "--loss", method, "--seed", str(seed), "--out", str(folder)]
                words += [word for setting in settings or () for word in ("--set", setting)]
                plan.setdefault(template.name, []).append(Job(recipe, folder, shlex.join(words)))

    everything = [job for recipe_jobs in plan.values() for job in recipe_jobs]
    on_gpu = device != "cpu" and torch.cuda.is_available()
    processes = jobs or min(len(everything), 1 if on_gpu else os.cpu_count() or 1)
    options = RunOptions(data_root, device, threads)
    with epoch_progress(f"{len(everything)} runs", epochs_left(everything)) as on_epoch:
        failures = sweep(everything, options, processes, on_epoch)

    failed = {failure.job.out for failure in failures}
    for name, recipe_jobs in plan.items():
        runs = [read_run(job.out) for job in recipe_jobs if job.out not in failed]
        if runs:
            comparison = compare(runs, metrics=chosen)
            console().print(comparison_table(comparison))
            write_atomically(out / name / "comparison.md", comparison_markdown(comparison))
            write_atomically(out / name / "comparison.json", json.dumps(comparison.to_dict(), indent=2) + "\n")
    for failure in failures:
        typer.echo(f"tailwise: {failure.job.out} failed: {failure.reason}", err=True)
    if failures:
        raise typer.Exit(1)
