"""The report page: one HTML file with all it needs inside, which asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import tailwise
from tailwise.errors import InputError
from tailwise.recipes.catalog import Correction
from tailwise.report.comparison import LOWER_IS_BETTER, SIGNIFICANT
from tailwise.report.figure_file import figure_bytes
from tailwise.report.page_content import PageContent, page_content
from tailwise.report.ranking import Ranking
from tailwise.report.ranking_figure import ranking_figure
from tailwise.report.ranking_table import findings, title
from tailwise.report.runs import Run
from tailwise.report.table import HEADINGS, caption, cell_text, star
from tailwise.training.run_directory import write_atomically

SCRIPTS = ("page-data.js", "page-methods.js", "page-table.js", "page-figures.js", "page-confusion.js", "page.js")
STYLES = ("page.css",)
PLOTLY = "plotly-basic.min.js"
# What would end a script or open a comment, a character reference, or a line in an older JavaScript.
ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def check_page_path(path: Path) -> None:
    """Refuse a place that a page cannot be written to, before anything is computed for it.

    Raises:
        InputError: it is a folder, lies below a file, or does not end in .html or .htm.
    """
    if path.is_dir():
        raise InputError(f"--out {path} is a folder; name a file, such as {path / 'report.html'}")
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is written as .html, got {str(path)!r}; change the ending of --out")
    above = next((folder for folder in path.parents if folder.exists()), None)
    if above is not None and not above.is_dir():
        raise InputError(f"cannot write to {path}: {above} is a file; choose another --out")


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
    try:
        write_atomically(path, page_html(content))
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
    return content


def page_html(content: PageContent) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("tailwise.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = '"use strict";\n(() => {\n' + "\n".join(map(_asset, SCRIPTS)) + "})();\n"
    plotly = _asset(PLOTLY)
    return environment.get_template("page.html.j2").render(
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
        policy=_policy(script, plotly),
        style=Markup("\n".join(map(_asset, STYLES))),
        script=Markup(script),
        plotly=Markup(plotly),
        data=Markup(json_for_script({"recipes": [part.figures for part in content.recipes]})),
        version=tailwise.__version__,
    )


def json_for_script(value: Any) -> str:
    """JSON that stays inside of the script element that it is written into, whatever the texts in it say."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(ESCAPED)


def _asset(name: str) -> str:
    text = (resources.files("tailwise.report") / "assets" / name).read_text(encoding="utf-8")
    assert "</script" not in text.lower()
    assert "<!--" not in text
    return text


def _policy(*scripts: str) -> str:
    """Nothing is loaded, and no script runs but these; plotly writes styles of its own."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii") for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
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
