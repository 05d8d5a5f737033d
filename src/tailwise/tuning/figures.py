"""Two figures of a search: its trials in order, and each method at its own settings and at its best."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from tailwise.report.figure_file import write_figure
from tailwise.tuning.findings import Findings

COLOURS = matplotlib.color_sequences["petroff10"]
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
ROW_HEIGHT = 0.32


def write_figures(out: Path, findings: Findings) -> list[Path]:
    """OUT/history.svg and OUT/methods.svg."""
    drawn = {"history": history_figure, "methods": methods_figure}
    paths = []
    for name, draw in drawn.items():
        paths.append(out / f"{name}.svg")
        write_figure(paths[-1], lambda draw=draw: draw(findings))  # type: ignore[misc]
    return paths


def history_figure(findings: Findings) -> Figure:
    """The value of every trial in the order in which they began, and the best so far."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    trained = sorted(findings.best_first, key=lambda outcome: outcome.number)
    for place, method in enumerate(findings.plan.methods):
        own = [outcome for outcome in trained if outcome.method == method]
        axes.plot(
            [outcome.number for outcome in own],
            [100 * outcome.value for outcome in own],
            linestyle="",
            marker=MARKERS[place % len(MARKERS)],
            color=COLOURS[place % len(COLOURS)],
            label=method,
        )
    best, so_far = trained[0].value, []
    for outcome in trained:
        best = outcome.value if findings.judge.better(outcome.value, best) else best
        so_far.append(100 * best)
    axes.step([outcome.number for outcome in trained], so_far, where="post", color="0.4", linewidth=1.2, zorder=1)
    for outcome in findings.failed:
        axes.axvline(outcome.number, color="0.8", linewidth=1, zorder=0)
    top, error = 100 * findings.best.value, 100 * findings.standard_error
    axes.axhspan(top - error, top + error, color="0.93", zorder=-1)
    axes.set(xlabel="trial", ylabel=f"{findings.plan.metric.replace('_', ' ')}, held-out samples, percent")
    axes.set_title("Trials, and the best so far; grey: one standard error of the best", loc="left", size=10)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5)
    return figure


def methods_figure(findings: Findings) -> Figure:
    """Each method's value with its own settings and the best of its trials, the best method on top."""
    shown = {name: of for name, of in findings.methods.items() if of.best is not None}
    order = sorted(shown, key=lambda name: shown[name].best.value, reverse=findings.judge.lower_is_better)  # type: ignore[union-attr]
    figure = Figure(figsize=(7.5, 1.3 + ROW_HEIGHT * len(order)), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(order):
        of = shown[name]
        assert of.best is not None
        best = 100 * of.best.value
        if of.default is not None:
            axes.plot([100 * of.default, best], [row, row], color="0.7", linewidth=2, zorder=1)
            axes.plot(100 * of.default, row, "o", color="white", markeredgecolor=COLOURS[0], zorder=2)
        axes.plot(best, row, "o", color=COLOURS[0], zorder=3)
    axes.set_yticks(range(len(order)), [f"{name} ({shown[name].trials})" for name in order])
    axes.set_xlabel(f"{findings.plan.metric.replace('_', ' ')}, held-out samples, percent")
    title = "Open: own settings; filled: the best of (so many) trials"
    axes.set_title(title, loc="left", size=10)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure
