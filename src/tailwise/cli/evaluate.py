"""Evaluate a run again: with a post-hoc correction, or on another test profile."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tailwise.cli.options import Costs, Posthoc, Run, Tau, TestPrior, ThresholdMetric, parse_correction

EXAMPLE = "Example: tailwise evaluate runs/digits/long-tailed-if20/ce/seed-0 --posthoc logit-adjustment --tau 1"


def run(
    run_path: Run,
    posthoc: Posthoc = None,
    tau: Tau = None,
    test_prior: TestPrior = None,
    metric: ThresholdMetric = None,
    costs: Costs = None,
    test_profile: Annotated[
        Literal["natural", "uniform", "long-tailed", "backward"],
        typer.Option(help="Class frequencies of the test set: as in the run, equal, as in training, or reversed."),
    ] = "natural",
) -> None:
    from tailwise.cli.display import console, metrics_table
    from tailwise.report.evaluation import evaluate

    arguments = parse_correction(posthoc, tau, test_prior, metric, costs)
    evaluation = evaluate(run_path, posthoc, arguments.pop("tau", None), test_profile, **arguments)
    columns = {"as trained": evaluation.plain}
    if evaluation.corrected is not None:
        columns[evaluation.name] = evaluation.corrected
    kind = "the run's own test set" if test_profile == "natural" else f"{test_profile} test set"
    title = f"{run_path} · {kind}, {evaluation.num_samples} samples, percent"
    console().print(title, style="bold", soft_wrap=True)
    console().print(metrics_table(columns))
    if evaluation.note:
        console().print(evaluation.note, soft_wrap=True)
