"""Write one HTML page about runs: the comparison, figures, environment and commands; it needs no network to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailwise.terminal import echo

EXAMPLE = "Example: tailwise report runs -o report.html"


def run(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUNS...", help="Run directories, or folders of them such as `tailwise compare` fills."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page, .html.")] = Path("report.html"),
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="Test the others against this one; by default the first of the recipe, or ce.",
            show_default=False,
        ),
    ] = None,
    correction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METHOD=POSTHOC",
            help="Show the runs of a method with their logits corrected, too; repeatable. The corrections of the "
            "package's own recipes are shown without.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="What the average ranks are by.")] = "balanced_accuracy",
) -> None:
    from tailwise.cli.display import progress
    from tailwise.recipes.catalog import parse_corrections
    from tailwise.report.comparison import check_metric_names
    from tailwise.report.html import check_page_path
    from tailwise.report.page import write_page
    from tailwise.report.page_content import in_order, num_steps
    from tailwise.report.runs import find_runs

    check_metric_names([metric])
    check_page_path(out)
    corrections = parse_corrections(correction or ())
    runs, unfinished = find_runs(folders)
    runs = in_order(runs, reference)
    with progress(f"{len(runs)} runs", num_steps(runs, corrections), "rows") as advance:
        content = write_page(out, runs, unfinished, corrections, metric, advance)
    for sentence in content.omissions:
        echo(f"tailwise: {sentence}", err=True)
    echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
