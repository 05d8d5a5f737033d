"""Picture of the choice of a method: four questions, and what the measurements answer."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tailwise.report.figure_file import write_figure

QUESTIONS = (
    ("Does plain accuracy count, on a\ntest set as imbalanced as training?", "cross entropy"),
    ("Is the network trained already?", "logit adjustment\nof its logits"),
    ("Two classes?", "images: GPPE\ntable: cross entropy\nand a threshold"),
    ("Time for three times the cost,\nand images to augment?", "BCL on a logit-\nadjusted loss"),
)
OTHERWISE = "balanced softmax, or in its place\nclass-balanced sampling"
ROW = 1.5


def draw() -> Figure:
    """Questions from above to below, an answer to the right of each."""
    figure = Figure(figsize=(7.2, 7), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    top = len(QUESTIONS) * ROW
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.75, top + 0.6)
    for number, (question, answer) in enumerate(QUESTIONS):
        y = top - number * ROW
        _box(axes, 2.7, y, 5.2, question, "0.95")
        _box(axes, 8.3, y, 3.2, answer, "#dcebf8")
        _arrow(axes, (5.3, y), (6.7, y), "yes", (6.0, y + 0.1), "center")
        _arrow(axes, (2.7, y - 0.5), (2.7, y - ROW + 0.5), "no", (2.85, y - ROW / 2), "left")
    _box(axes, 2.7, 0, 5.2, OTHERWISE, "#dcebf8")
    return figure


def _box(axes: Axes, x: float, y: float, width: float, text: str, fill: str) -> None:
    corner, style = (x - width / 2, y - 0.5), "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch(corner, width, 1.0, boxstyle=style, fc=fill, ec="0.4"))
    axes.text(x, y, text, ha="center", va="center", fontsize=11)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str, at: tuple[float, float], align: str
) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.3", "shrinkA": 0, "shrinkB": 0})
    axes.text(*at, text, ha=align, va="bottom" if align == "center" else "center", fontsize=10, color="0.3")


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
