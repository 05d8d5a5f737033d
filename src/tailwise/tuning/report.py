"""The report of a search: sentences and tables for the terminal and Markdown, and OUT/tune.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.table import Table

from tailwise.machine import describe_machine
from tailwise.report.comparison import Comparison
from tailwise.report.table import HEADINGS, comparison_markdown
from tailwise.training.run_directory import write_atomically
from tailwise.tuning.figures import write_figures
from tailwise.tuning.findings import Findings
from tailwise.tuning.space import OWN, Value
from tailwise.tuning.study import Outcome

SHOWN = 10
TRIAL_COLUMNS = ("trial", "method", "settings", "correction", "value", "as trained", "cross-fitted", "optimism")
METHOD_COLUMNS = ("method", "trials", "as it is", "best", "trial")


def trial_rows(findings: Findings, number: int | None = SHOWN) -> list[tuple[str, ...]]:
    """The best trials, a row for each."""
    return [_trial_row(outcome) for outcome in findings.best_first[:number]]


def _trial_row(outcome: Outcome) -> tuple[str, ...]:
    verdict = outcome.verdict
    assert verdict is not None
    return (
        f"{outcome.number}",
        outcome.method,
        settings_words(outcome),
        f"{verdict.posthoc}, tau {verdict.tau:g}" if verdict.posthoc else "-",
        _percent(verdict.value),
        _percent(verdict.plain),
        _percent(verdict.corrected),
        _percent(verdict.optimism),
    )


def method_rows(findings: Findings) -> list[tuple[str, ...]]:
    """Every method, the one with the best trial first."""
    order = {outcome.method: place for place, outcome in reversed(list(enumerate(findings.best_first)))}
    shown = sorted(findings.methods.items(), key=lambda item: order.get(item[0], len(findings.outcomes)))
    return [
        (
            name,
            f"{of.trials}",
            _percent(of.default),
            _percent(of.best.value if of.best else None),
            f"{of.best.number}" if of.best else "failed",
        )
        for name, of in shown
    ]


def rich_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """For the terminal; numbers to the right."""
    table = Table(title=title, title_style="bold", title_justify="left")
    for place, column in enumerate(columns):
        numeric = place > 0 and all(row[place][:1].isdigit() or row[place] == "-" for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def settings_words(outcome: Outcome) -> str:
    """What of the method varied, with its values; "default" where they are its own."""
    if outcome.default:
        return "default"
    shown = {name: value for name, value in outcome.values.items() if value != OWN}
    return ", ".join(f"{name.rpartition('.')[2]} {_value(value)}" for name, value in shown.items()) or "default"


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def sentences(findings: Findings) -> list[str]:
    """What was chosen, how sure that is, and what one should know."""
    best, plan = findings.best, findings.plan
    verdict = best.verdict
    assert verdict is not None
    metric = plan.metric.replace("_", " ")
    correction = f", corrected by {verdict.posthoc} with tau {verdict.tau:g}" if verdict.posthoc else ""
    number = sum(findings.held_out.counts)
    found = [
        f"Chosen: trial {best.number}, {best.method} ({settings_words(best)}){correction}: {metric} "
        f"{_percent(verdict.value)} on {number} held-out samples, standard error {_percent(findings.standard_error)}.",
    ]
    trained = len(findings.best_first)
    if len(findings.within) > 1:
        found.append(
            f"{len(findings.within)} of the {trained} trials are within one standard error of it: between those the "
            "held-out samples do not decide."
        )
    found.append(
        f"The best of {trained} owes part of its value to luck; the test set, which has no part in the choice, shows "
        "none of that."
    )
    if findings.held_out.caution:
        found.append(findings.held_out.caution)
    found += [f"Trial {outcome.number}, {outcome.method}, failed: {outcome.reason}" for outcome in findings.failed]
    return found


def test_sentence(findings: Findings, comparison: Comparison) -> str:
    """What the choice gained on the test set, in the metric of the search."""
    metric = findings.plan.metric
    methods = list(comparison.cells)
    if len(methods) == 1:
        return "Nothing that was tried did better on the held-out samples than cross entropy as the recipe has it."
    if metric not in comparison.metrics:
        return f"The test set does not tell {metric.replace('_', ' ')}."
    before, after = (comparison.cells[method][metric] for method in (methods[0], methods[-1]))
    gained = 100 * (after.mean - before.mean)
    number = len(comparison.seeds[methods[0]])
    p = "" if after.p_value is None else f", p = {after.p_value:.2g}"
    return (
        f"On the test set {methods[-1]} has {gained:+.2f} points of {metric.replace('_', ' ')} over {methods[0]}, with "
        f"{number} seed{'s' if number > 1 else ''}{p}."
    )


def importance_sentences(findings: Findings) -> list[str]:
    """How much of the differences between trials each parameter explains."""
    found = []
    for what, importances in findings.importances.items():
        shares = ", ".join(f"{name} {share:.2f}" for name, share in importances.items())
        found.append(f"Share of the variance explained (fANOVA), {what}: {shares}.")
    return found


def markdown(
    findings: Findings,
    comparison: Comparison | None,
    commands: Sequence[str],
    notes: Sequence[str],
    figures: Sequence[Path],
) -> str:
    """The whole report as one page."""
    heading = HEADINGS.get(findings.plan.metric, findings.plan.metric)
    lines = [f"# Search on {findings.plan.baseline.recipe}", "", *_paragraphs(sentences(findings))]
    if comparison is not None:
        lines += ["## On the test set", "", test_sentence(findings, comparison), ""]
        lines += [comparison_markdown(comparison), *_paragraphs(notes)]
    lines += ["## Commands", "", *(f"    {command}" for command in commands), ""]
    lines += [f"## The best trials, {heading} on held-out samples", "", *_table(TRIAL_COLUMNS, trial_rows(findings))]
    lines += ["", "## Methods", "", *_table(METHOD_COLUMNS, method_rows(findings)), ""]
    lines += [f"![{figure.stem}]({figure.name})" for figure in figures]
    return "\n".join([*lines, "", *_paragraphs(importance_sentences(findings))])


def write_report(
    out: Path, findings: Findings, comparison: Comparison | None, commands: Sequence[str], notes: Sequence[str]
) -> list[Path]:
    """Write OUT/tune.json, OUT/tune.md and the figures that it shows.

    Args:
        out: folder of the search.
        findings: what the search has found.
        comparison: of the choice with cross entropy, on the test set; None where there was no test.
        commands: that train the choice again; the first one made the search.
        notes: what one should know of the test.
    """
    figures = write_figures(out, findings)
    everything = {
        "recipe": findings.plan.baseline.recipe,
        **findings.to_dict(),
        "commands": list(commands),
        "notes": list(notes),
        "test": None if comparison is None else comparison.to_dict(),
        "machine": describe_machine("cuda" if torch.cuda.is_available() else "cpu"),
    }
    write_atomically(out / "tune.json", json.dumps(everything, indent=2) + "\n")
    write_atomically(out / "tune.md", markdown(findings, comparison, commands, notes, figures))
    return [out / "tune.md", out / "tune.json", *figures]


def _paragraphs(found: Sequence[str]) -> list[str]:
    return [line for sentence in found for line in (sentence, "")]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
