"""Train methods x seeds on the same data and print one table; run it again to go on where it stopped."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import (
    Address,
    Backend,
    Compiled,
    CpusPerRun,
    DataRoot,
    Device,
    GpusPerRun,
    Jobs,
    Settings,
    Threads,
    parse_cluster,
    parse_names,
    parse_seeds,
)
from tailwise.terminal import echo

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
    jobs: Jobs = None,
    backend: Backend = "local",
    address: Address = None,
    cpus_per_run: CpusPerRun = None,
    gpus_per_run: GpusPerRun = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: Threads = None,
    compiled: Compiled = False,
) -> None:
    import torch

    from tailwise.cli.display import console, epoch_progress
    from tailwise.recipes.catalog import load_recipe
    from tailwise.report.comparison import check_metric_names, compare
    from tailwise.report.evaluation import rows_of
    from tailwise.report.runs import read_run
    from tailwise.report.table import comparison_markdown, comparison_table
    from tailwise.training.device import available_cores
    from tailwise.training.engine import RunOptions
    from tailwise.training.ray_sweep import ray_sweep
    from tailwise.training.run_directory import write_atomically
    from tailwise.training.sweep import Job, epochs_left, run_directory, sweep

    chosen = parse_names("--metrics", metrics)
    check_metric_names(chosen or [])
    methods = parse_names("--loss", loss)
    plan: dict[str, list[Job]] = {}
    templates = [load_recipe(given) for given in recipes]
    chosen_seeds = parse_seeds(seeds)
    rows = {template.name: methods or template.rows for template in templates}
    num_runs = len(chosen_seeds) * sum(len(set(map(t.trained_for, rows[t.name]))) for t in templates)
    cluster = parse_cluster(backend, address, cpus_per_run, gpus_per_run, jobs)
    on_gpu = device != "cpu" and torch.cuda.is_available()
    processes = jobs or min(num_runs, 1 if on_gpu else available_cores())
    threads_each = threads or (cluster.threads if cluster else max(1, available_cores() // processes))
    for given, template in zip(recipes, templates, strict=True):
        for method in dict.fromkeys(map(template.trained_for, rows[template.name])):
            for seed in chosen_seeds:
                recipe = template.resolve(method, seed, settings or ())
                folder = run_directory(out, recipe)
                words = ["tailwise", "train", given, "--loss", method, "--seed", str(seed), "--out", str(folder)]
                words += [word for setting in settings or () for word in ("--set", setting)]
                words += ["--threads", str(threads_each), "--device", device]
                words += ["--data-root", str(data_root)] if data_root else []
                words += ["--compile"] if compiled else []
                plan.setdefault(template.name, []).append(Job(recipe, folder, shlex.join(words)))

    everything = [job for recipe_jobs in plan.values() for job in recipe_jobs]
    options = RunOptions(data_root, device, threads_each, compile=compiled)
    with epoch_progress(f"{len(everything)} runs", epochs_left(everything)) as on_epoch:
        if cluster:
            failures = ray_sweep(everything, options, cluster, on_epoch)
        else:
            failures = sweep(everything, options, processes, on_epoch)

    failed = {failure.job.out for failure in failures}
    for name, template in {template.name: template for template in templates}.items():
        runs = [read_run(job.out) for job in plan[name] if job.out not in failed]
        shown = rows_of(runs, rows[name], template.corrections)
        if shown:
            comparison = compare(shown, metrics=chosen)
            console().print(comparison_table(comparison))
            write_atomically(out / name / "comparison.md", comparison_markdown(comparison))
            write_atomically(out / name / "comparison.json", json.dumps(comparison.to_dict(), indent=2) + "\n")
    for failure in failures:
        echo(f"tailwise: {failure.job.out} failed: {failure.reason}", err=True)
    if failures:
        raise typer.Exit(1)
