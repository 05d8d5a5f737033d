"""The report page: one HTML file with all it needs inside, which asks nothing of a network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tailwise.recipes.catalog import Correction
from tailwise.report.comparison import LOWER_IS_BETTER, SIGNIFICANT
from tailwise.report.figure_file import figure_bytes
from tailwise.report.html import asset, check_page_path, json_for_script, render, save_page
from tailwise.report.page_content import PageContent, page_content
from tailwise.report.ranking import Ranking
from tailwise.report.ranking_figure import ranking_figure
from tailwise.report.ranking_table import findings, title
from tailwise.report.runs import Run
from tailwise.report.table import HEADINGS, caption, cell_text, star

SCRIPTS = ("page-data.js", "page-methods.js", "page-table.js", "page-figures.js", "page-confusion.js", "page.js")
PLOTLY = "plotly-basic.min.js"


def write_page(
    path: Path,
    runs: Sequence[Run],
    unfinished: Sequence[Path],
    corrections: dict[str, Correction],
    metric: str,
    advance: Callable[[], None],
) -> PageContent:
    """Write the page of some runs; the arguments are those of ``page_content``.

    Returns:
        What is on the page.

    Raises:
        InputError: the runs do not belong together, or the page cannot be written.
    """
    check_page_path(path)
    content = page_content(runs, unfinished, corrections, metric, advance)
    save_page(path, page_html(content))
    return content


def page_html(content: PageContent) -> str:
    """The page as text."""
    script = '"use strict";\n(() => {\n' + "\n".join(map(asset, SCRIPTS)) + "})();\n"
    plotly = asset(PLOTLY)
    return render(
        "tailwise.report",
        "page.html.j2",
        (script, plotly),
        content=content,
        heading=_heading(content),
        metrics=_metrics(content),
        headings=HEADINGS,
        lower_is_better=LOWER_IS_BETTER,
        level=SIGNIFICANT,
        cell_text=cell_text,
        star=star,
        caption=caption,
        ranking=None if content.ranking is None else _ranking(content.ranking, content),
        script=Markup(script),
        plotly=Markup(plotly),
        data=Markup(json_for_script({"recipes": [part.figures for part in content.recipes]})),
    )


def _heading(content: PageContent) -> str:
    recipes = [part.comparison.recipe for part in content.recipes]
    return recipes[0] if len(recipes) == 1 else f"{len(recipes)} recipes"


def _metrics(content: PageContent) -> dict[str, bool]:
    """Every metric of any recipe, and whether it is shown at first: those that `compare` shows, in its order."""
    usual = dict.fromkeys(metric for part in content.recipes for metric in part.usual)
    others = dict.fromkeys(metric for part in content.recipes for metric in part.comparison.metrics)
    return {metric: metric in usual for metric in (*usual, *(name for name in others if name not in usual))}


def _ranking(ranking: Ranking, content: PageContent) -> dict[str, Any]:
    said = {note for part in content.recipes for note in part.comparison.notes}
    figure = figure_bytes("svg", lambda: ranking_figure(ranking), transparent=True)
    return {
        "title": title(ranking),
        "image": f"data:image/svg+xml;base64,{base64.b64encode(figure).decode('ascii')}",
        "findings": [*findings(ranking), *(note for note in ranking.notes if note not in said)],
        "average_ranks": ranking.average_ranks,
        "means": ranking.means,
        "recipes": list(ranking.seeds),
    }
