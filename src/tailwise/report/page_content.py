"""What a report page shows: all that run directories tell, and what they do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tailwise.errors import InputError
from tailwise.reading import read_json
from tailwise.recipes.catalog import Correction, catalog, corrections_of
from tailwise.report.comparison import Comparison, compare
from tailwise.report.evaluation import rows_of
from tailwise.report.page_figures import figures_of
from tailwise.report.ranking import Ranking, rank
from tailwise.report.runs import Run, read_config

Advance = Callable[[], None]


@dataclass(frozen=True)
class Environment:
    """What some runs were made with: ``entries`` by their names; ``runs`` are their paths, and how often resumed."""

    entries: dict[str, str]
    runs: list[str]


@dataclass(frozen=True)
class RecipePart:
    """One recipe.

    Attributes:
        comparison: of all its metrics but the recalls of single classes.
        usual: the metrics that `compare` shows.
        trained: its runs as trained.
        corrected: row -> the method that it corrects.
        data: its data in words.
        figures: what the page's script draws, plain data for JSON.
    """

    comparison: Comparison
    usual: list[str]
    trained: list[Run]
    corrected: dict[str, str]
    data: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class PageContent:
    """A page; ``omissions`` are sentences about what is not on it, and why."""

    recipes: list[RecipePart]
    ranking: Ranking | None
    environments: list[Environment]
    omissions: list[str] = field(default_factory=list)


def in_order(runs: Sequence[Run], reference: str | None = None) -> list[Run]:
    """The runs with those of the reference first, then in the order in which their recipe of the package names them.

    Folders have an order of their own, and the first method is what the others are tested against. Of a recipe that is
    not of the package, ``ce`` comes first where there is one.

    Raises:
        InputError: a recipe has no run of the reference.
    """
    known = catalog()
    if reference is not None:
        for recipe in dict.fromkeys(run.recipe for run in runs):
            methods = list(dict.fromkeys(run.loss for run in runs if run.recipe == recipe))
            if reference not in methods:
                raise InputError(f"{recipe} has no finished run of {reference!r}; there are {', '.join(methods)}")

    def place(run: Run) -> tuple[bool, int]:
        named = [*known[run.recipe].methods] if run.recipe in known else ["ce"]
        return run.loss != reference, named.index(run.loss) if run.loss in named else len(named)

    return sorted(runs, key=place)


def num_steps(runs: Sequence[Run], corrections: dict[str, Correction]) -> int:
    """How often ``page_content`` calls ``advance``: at every run of every row."""
    return sum(
        1 + sum(row.method == run.loss for row in (corrections_of(run.recipe) | corrections).values()) for run in runs
    )


def page_content(
    runs: Sequence[Run],
    unfinished: Sequence[Path],
    corrections: dict[str, Correction],
    metric: str,
    advance: Advance,
) -> PageContent:
    """Gather a page.

    Args:
        runs: finished ones, of any recipes; the first method of each is the reference.
        unfinished: directories to name.
        corrections: further rows beside those of the recipes of the package.
        metric: what the ranking is by.
        advance: called when a run of a row is done.

    Raises:
        InputError: the runs of a recipe do not belong together.
    """
    omissions = [f"{path} is not finished and left out; finish it with tailwise train --resume." for path in unfinished]
    of_recipe: dict[str, list[Run]] = {}
    for run in runs:
        of_recipe.setdefault(run.recipe, []).append(run)
    parts, rows = [], []
    for recipe, trained in of_recipe.items():
        compare(trained)  # refuses runs that do not belong together, before anything is computed
        known = corrections_of(recipe) | corrections
        shown = [*trained, *_corrected_rows(trained, known, omissions)]
        rows += shown
        parts.append(_recipe_part(trained, shown, known, omissions, advance))
    return PageContent(parts, _ranking(rows, metric, omissions), _environments(runs, omissions), omissions)


def _corrected_rows(trained: Sequence[Run], known: dict[str, Correction], omissions: list[str]) -> list[Run]:
    methods = {run.loss for run in trained}
    rows: list[Run] = []
    for name, correction in known.items():
        if correction.method in methods and name not in methods:
            try:
                rows += rows_of(trained, [name], known)
            except InputError as error:
                omissions.append(f"The row {name} of {trained[0].recipe} is left out: {error}.")
    return rows


def _recipe_part(
    trained: list[Run], shown: list[Run], known: dict[str, Correction], omissions: list[str], advance: Advance
) -> RecipePart:
    usual = compare(shown)
    names = [name for name in shown[0].metrics if not name.startswith("recall/")]
    common = [name for name in names if all(name in run.metrics for run in shown)]
    metrics = [*usual.metrics, *(name for name in common if name not in usual.metrics)]
    recipe = trained[0].recipe
    figures, missing = figures_of(shown, known, metrics, advance)
    omissions += [f"{recipe}: {sentence}" for sentence in missing]
    left_out = [name for name in dict.fromkeys(n for run in shown for n in run.metrics) if name not in common]
    left_out = [name for name in left_out if not name.startswith("recall/")]
    if left_out:
        omissions.append(f"{recipe}: {', '.join(left_out)}: not all of the runs have a value of it.")
    methods = {run.loss for run in trained}
    corrected = {run.loss: known[run.loss].method for run in shown if run.loss not in methods}
    return RecipePart(
        comparison=replace(compare(shown, metrics), commands=[run.command for run in trained]),
        usual=usual.metrics,
        trained=trained,
        corrected=corrected,
        data=_data_in_words(trained[0], figures["tested"], omissions),
        figures=figures,
    )


def _data_in_words(run: Run, tested: int, omissions: list[str]) -> str:
    counts = run.class_counts
    factor = f"{max(counts) / min(counts):.4g}" if min(counts) else "∞"
    numbers = [
        f"{len(counts)} classes",
        f"{sum(counts):,} training samples",
        f"{max(counts):,} to {min(counts):,} a class (imbalance factor {factor})",
    ]
    numbers += [f"{tested:,} test samples"] if tested else []
    try:
        data = read_config(run.path).get("data", {})
        words = [_section_in_words(data.get("source", {})), f"profile {_section_in_words(data.get('profile', {}))}"]
        words += [f"test set {data['test_profile']}"] if data.get("test_profile", "natural") != "natural" else []
        words += [f"{data['validation_fraction']:g} held out"] if data.get("validation_fraction") else []
    except (ValueError, AttributeError) as error:
        omissions.append(f"{run.recipe}: where the data come from is not shown: {error}.")
        return "; ".join(numbers)
    return "; ".join([*words, *numbers])


def _section_in_words(section: dict[str, Any]) -> str:
    """A section of a recipe: its name, and in brackets what else it says in one word or number."""
    said = {k: v for k, v in section.items() if k != "name" and isinstance(v, (str, int, float)) and v is not False}
    more = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items())
    return f"{section.get('name', 'unknown')}{f' ({more})' if more else ''}"


def _ranking(rows: Sequence[Run], metric: str, omissions: list[str]) -> Ranking | None:
    """Of the methods and corrections that every recipe has."""
    recipes = {run.recipe for run in rows}
    recipes_of: dict[str, set[str]] = {}
    for run in rows:
        recipes_of.setdefault(run.loss, set()).add(run.recipe)
    partial = [method for method, found in recipes_of.items() if found != recipes]
    if partial:
        omissions.append(f"Not ranked: {', '.join(partial)}, of which not every recipe has a finished run.")
    try:
        return rank([run for run in rows if run.loss not in partial], metric)
    except InputError as error:
        omissions.append(f"There is no critical-difference diagram: {error}.")
        return None


def _environments(runs: Sequence[Run], omissions: list[str]) -> list[Environment]:
    """Equal ones once; when a run was started, and how often it was resumed, does not tell them apart."""
    found: dict[str, Environment] = {}
    for run in runs:
        file = run.path / "environment.json"
        try:
            recorded = dict(read_json(file))
        except (OSError, ValueError, TypeError) as error:
            omissions.append(f"The environment of {run.path} is not shown: {file.name} cannot be read ({error}).")
            continue
        resumed = len(list(recorded.pop("resumed", [])))
        recorded.pop("started", None)
        place = f"{run.path}{f', begun with this and resumed {resumed} times' if resumed else ''}"
        entries = {str(name): str(value) for name, value in recorded.items()}
        found.setdefault(json.dumps(entries), Environment(entries, [])).runs.append(place)
    return list(found.values())
