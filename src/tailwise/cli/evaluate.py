"""Evaluate a run again: with a post-hoc correction, or on another test profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tailwise.cli.options import parse_tau

EXAMPLE = "Example: tailwise evaluate runs/digits/long-tailed-if20/ce/seed-0 --posthoc logit-adjustment --tau 1"


def run(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    posthoc: Annotated[
        Literal["logit-adjustment", "rebalance"] | None,
        typer.Option(help="logit-adjustment needs the training counts; rebalance needs the whole test set at once."),
    ] = None,
    tau: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|search",
            help="Strength of the correction; by default 1. 'search' takes the best on the run's validation samples.",
            show_default=False,
        ),
    ] = None,
    test_profile: Annotated[
        Literal["natural", "uniform", "long-tailed", "backward"],
        typer.Option(help="Class frequencies of the test set: as in the run, equal, as in training, or reversed."),
    ] = "natural",
) -> None:
    from tailwise.cli.display import console, metrics_table
    from tailwise.errors import InputError
    from tailwise.report.evaluation import evaluate

    if posthoc is None and tau is not None:
        raise InputError(f"--tau {tau} belongs to a correction; add --posthoc logit-adjustment or rebalance")
    evaluation = evaluate(run_path, posthoc, parse_tau(tau), test_profile)
    columns = {"as trained": evaluation.plain}
    if evaluation.corrected is not None:
        columns[f"{posthoc}, tau {evaluation.tau:g}"] = evaluation.corrected
    kind = "the run's own test set" if test_profile == "natural" else f"{test_profile} test set"
    title = f"{run_path} · {kind}, {evaluation.num_samples} samples, percent"
    console().print(title, style="bold", soft_wrap=True)
    console().print(metrics_table(columns))
    if evaluation.note:
        console().print(evaluation.note, soft_wrap=True)
