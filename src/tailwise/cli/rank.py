"""Rank methods over data sets and seeds, test whether they differ, and draw the critical-difference diagram."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tailwise.cli.options import parse_names
from tailwise.terminal import echo

EXAMPLE = "Example: tailwise rank runs --metric balanced_accuracy --correction ce=logit-adjustment --out ranks.svg"


def run(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUNS...", help="Folders of runs, such as `tailwise compare --out` fills.")
    ],
    metric: Annotated[str, typer.Option(help="What to rank by.")] = "balanced_accuracy",
    loss: Annotated[
        str | None,
        typer.Option(
            help="Methods, and corrections of the recipes, comma-separated. By default every method with runs, and the "
            "corrections that all the recipes have.",
            show_default=False,
        ),
    ] = None,
    correction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD=POSTHOC",
            help="Rank the runs of a method with their logits corrected, too; repeatable.",
            show_default=False,
        ),
    ] = None,
    blocks: Annotated[
        Literal["auto", "recipe", "seed"],
        typer.Option(
            help="Rank on each recipe, its seeds averaged, or on each seed of a recipe; auto takes recipes from six on."
        ),
    ] = "auto",
    test: Annotated[
        Literal["nemenyi", "wilcoxon"], typer.Option(help="Whose groups the diagram joins by bars.")
    ] = "nemenyi",
    out: Annotated[Path, typer.Option(help="The diagram, .svg or .png.")] = Path("ranks.svg"),
) -> None:
    from tailwise.cli.display import console
    from tailwise.recipes.catalog import parse_corrections
    from tailwise.report.comparison import check_metric_names
    from tailwise.report.figure_file import check_figure_path
    from tailwise.report.ranking import rank, ranked_rows
    from tailwise.report.ranking_figure import write_ranking_figure
    from tailwise.report.ranking_table import findings, ranking_table
    from tailwise.report.runs import find_runs

    check_metric_names([metric])
    check_figure_path(out)
    names = parse_names("--loss", loss)
    corrections = parse_corrections(correction or ())
    runs, unfinished = find_runs(folders)
    ranking = rank(ranked_rows(runs, names, corrections), metric, None if blocks == "auto" else blocks)
    write_ranking_figure(out, ranking, test)
    for path in unfinished:
        echo(f"tailwise: {path} is not finished and left out", err=True)
    console().print(ranking_table(ranking))
    for sentence in (*findings(ranking), *ranking.notes):
        console().print(sentence, soft_wrap=True)
    echo(f"{out}")
