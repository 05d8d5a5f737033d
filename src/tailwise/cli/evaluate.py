"""Evaluate a run again: with a post-hoc correction, or on another test profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tailwise.cli.options import check_correction, parse_costs, parse_tau, parse_test_prior
from tailwise.posthoc import POSTHOC

EXAMPLE = "Example: tailwise evaluate runs/digits/long-tailed-if20/ce/seed-0 --posthoc logit-adjustment --tau 1"


def run(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    posthoc: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Correct the logits: {'; '.join(f'{name} needs {cls.needs}' for name, cls in POSTHOC.items())}.",
            show_default=False,
        ),
    ] = None,
    tau: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|search",
            help="Strength of logit-adjustment or rebalance; by default 1. 'search' takes the best on the run's "
            "validation samples.",
            show_default=False,
        ),
    ] = None,
    test_prior: Annotated[
        str | None,
        typer.Option(
            metavar="uniform|NUMBERS|FILE",
            help="Class frequencies for prior-shift: such as 0.9,0.1, or a file of them; by default estimated from the "
            "test logits.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What thresholds are best for: f1, balanced_accuracy, g_mean or mcc; by default f1.",
            show_default=False,
        ),
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For cost-sensitive: a line for each true class with the costs of each prediction, or a number for "
            "each class, what an error on it costs.",
            show_default=False,
        ),
    ] = None,
    test_profile: Annotated[
        Literal["natural", "uniform", "long-tailed", "backward"],
        typer.Option(help="Class frequencies of the test set: as in the run, equal, as in training, or reversed."),
    ] = "natural",
) -> None:
    from tailwise.cli.display import console, metrics_table
    from tailwise.report.evaluation import evaluate

    given = {"tau": tau, "test_prior": test_prior, "metric": metric, "costs": costs}
    check_correction(posthoc, {key: value for key, value in given.items() if value is not None})
    arguments: dict[str, Any] = {"metric": metric} if metric is not None else {}
    if test_prior is not None:
        arguments["test_prior"] = parse_test_prior(test_prior)
    if costs is not None:
        arguments["costs"] = parse_costs(costs)
    evaluation = evaluate(run_path, posthoc, None if tau is None else parse_tau(tau), test_profile, **arguments)
    columns = {"as trained": evaluation.plain}
    if evaluation.corrected is not None:
        columns[evaluation.name] = evaluation.corrected
    kind = "the run's own test set" if test_profile == "natural" else f"{test_profile} test set"
    title = f"{run_path} · {kind}, {evaluation.num_samples} samples, percent"
    console().print(title, style="bold", soft_wrap=True)
    console().print(metrics_table(columns))
    if evaluation.note:
        console().print(evaluation.note, soft_wrap=True)
