"""Choose loss, strength and correction on held-out samples, then test the choice once beside cross entropy."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import DataRoot, Device, Jobs, Settings, Threads, parse_names, parse_seeds
from tailwise.terminal import echo

EXAMPLE = "Example: tailwise tune digits/long-tailed-if20 --trials 40 --folds 3 --metric balanced_accuracy"


def run(
    recipe: Annotated[str, typer.Argument(help="A name from `tailwise recipes`, or a YAML file of your own.")],
    loss: Annotated[
        str | None,
        typer.Option(
            help="Methods of the recipe or losses of `tailwise losses` to choose from, comma-separated; by default "
            "nine losses.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Trials in all, over every run of this command; each method's own settings come first and are always "
            "tried. By default 40, where --minutes is not given.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no trial after so many minutes of this run.", show_default=False),
    ] = None,
    metric: Annotated[
        str, typer.Option(help="What to choose by, on held-out samples after the last epoch.")
    ] = "balanced_accuracy",
    search: Annotated[
        str, typer.Option("--search", help="What may vary: loss, strength, posthoc, lr, weight_decay, sampling.")
    ] = "loss,strength,posthoc",
    posthoc: Annotated[
        str,
        typer.Option(
            help="Corrections to choose from: logit-adjustment, rebalance (which needs the whole test set at once)."
        ),
    ] = "logit-adjustment",
    space: Annotated[
        str | None,
        typer.Option(
            metavar="LOSS.ARGUMENT=LOW:HIGH,...|FILE",
            help="Other domains than those of the package: ranges, A|B|C, single values, or a YAML file of them.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=1, help="Trainings of a trial, each with another seed and other held-out samples."),
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the search, and of the first training of a trial.")] = 0,
    final_seeds: Annotated[
        str, typer.Option(help="Seeds of the test beside cross entropy, such as 0-4; 'none' leaves it out.")
    ] = "0-4",
    out: Annotated[
        Path | None,
        typer.Option(help="Where the search is; run again, it goes on. By default tune/<recipe>.", show_default=False),
    ] = None,
    settings: Settings = None,
    jobs: Jobs = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    import torch

    from tailwise.cli.display import console, epoch_progress
    from tailwise.recipes.catalog import load_recipe
    from tailwise.report.comparison import check_metric_names
    from tailwise.report.table import comparison_table
    from tailwise.training.device import available_cores
    from tailwise.training.engine import RunOptions
    from tailwise.training.sweep import epochs_left, sweep
    from tailwise.tuning.final import commands, compared, final_jobs, looks_before, write_recipe
    from tailwise.tuning.findings import find
    from tailwise.tuning.plan import make_plan
    from tailwise.tuning.report import (
        METHOD_COLUMNS,
        TRIAL_COLUMNS,
        importance_sentences,
        method_rows,
        rich_table,
        sentences,
        test_sentence,
        trial_rows,
        write_report,
    )
    from tailwise.tuning.search import Limits, epochs_to_come, search_trials
    from tailwise.tuning.space import read_space
    from tailwise.tuning.study import Record

    check_metric_names([metric])
    seeds = [] if final_seeds == "none" else parse_seeds(final_seeds)
    template = load_recipe(recipe)
    plan, held_out = make_plan(
        template,
        methods=parse_names("--loss", loss),
        overrides=settings or (),
        searched=parse_names("--search", search) or [],
        posthoc=parse_names("--posthoc", posthoc) or [],
        space=None if space is None else read_space(space),
        metric=metric,
        folds=folds,
        seed=seed,
        data_root=data_root,
    )
    folder = out or Path("tune") / template.name
    record = Record(folder, plan)
    limits = Limits(trials or (40 if minutes is None else None), minutes)
    processes = jobs or (1 if device != "cpu" and torch.cuda.is_available() else available_cores())
    options = RunOptions(data_root, device, threads or max(1, available_cores() // processes))
    if held_out.caution:
        echo(held_out.caution, err=True)
    with epoch_progress("trials", epochs_to_come(record, limits)) as on_epoch:
        search_trials(record, limits, options, processes, on_epoch)
    if elsewhere := record.elsewhere():
        echo(f"{elsewhere} trials are with other processes, the last of which ends the search")
        return

    findings = find(record, held_out)
    for sentence in sentences(findings):
        console().print(sentence, soft_wrap=True)
    console().print(rich_table("The best trials, on held-out samples, percent", TRIAL_COLUMNS, trial_rows(findings)))
    console().print(rich_table("Methods, on held-out samples, percent", METHOD_COLUMNS, method_rows(findings)))
    for sentence in importance_sentences(findings):
        console().print(sentence, soft_wrap=True)
    command = shlex.join(["tailwise", *sys.argv[1:]])
    best = write_recipe(folder, plan, findings.best, command)
    final = final_jobs(folder, best, seeds, options)
    notes = looks_before(folder, best)
    with epoch_progress(f"{len(final)} runs on all samples", epochs_left(final)) as on_epoch:
        failures = sweep(final, options, processes, on_epoch)
    comparison = None
    if final and not failures:
        comparison = compared(final, best, metric)
        console().print(comparison_table(comparison))
        for sentence in (test_sentence(findings, comparison), *notes):
            console().print(sentence, soft_wrap=True)
    again = commands(folder, best, seeds)
    for line in (*again, *write_report(folder, findings, comparison, [command, *again], notes)):
        console().print(f"{line}", soft_wrap=True)
    for failure in failures:
        echo(f"tailwise: {failure.job.out} failed: {failure.reason}", err=True)
    if failures:
        raise typer.Exit(1)
