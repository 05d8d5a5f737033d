"""Picture of RIDE: experts on a common stage, and the temperature of each class that sets how far they may differ."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tailwise.data.profiles import exponential_counts
from tailwise.losses import LDAMLoss, MultiExpertLoss
from tailwise.report.figure_file import write_figure

COUNTS = exponential_counts(num_classes=100, max_count=500, imbalance_factor=100)
COLOURS = ("#3f90da", "#ffa90e", "#bd1f01")


def draw() -> Figure:
    """The network on the left, the temperatures on the right."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    network, temperatures = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_network(network)
    loss = MultiExpertLoss(LDAMLoss(COUNTS), 3, COUNTS, start=160)
    for epoch, label, colour in ((159, "before epoch 160", "#94a4a2"), (160, "from epoch 160 on", "#bd1f01")):
        loss.set_epoch(epoch)
        values = loss.temperatures(torch.zeros(1, len(COUNTS)))
        temperatures.plot(np.arange(len(COUNTS)), values, color=colour, label=label)
    temperatures.set_title("temperature of each class", loc="left")
    temperatures.set_xlabel("class, the most frequent first")
    temperatures.set_ylim(0.75, 1.02)
    temperatures.spines[["top", "right"]].set_visible(False)
    temperatures.legend(frameon=False)
    return figure


def _draw_network(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(-0.1, 3.1)
    _box(axes, 0.9, 1.5, "images", "white")
    _box(axes, 3.0, 1.5, "first stage,\nshared", "0.93")
    _box(axes, 9.1, 1.5, "mean of\nthe logits", "0.93")
    _arrow(axes, (1.7, 1.5), (2.2, 1.5))
    for number, (height, colour) in enumerate(zip((2.7, 1.5, 0.3), COLOURS, strict=True), start=1):
        _box(axes, 6.0, height, f"expert {number}:\nstages, head", "white", colour)
        _arrow(axes, (3.8, 1.5), (5.2, height))
        _arrow(axes, (6.8, height), (8.3, 1.5))


def _box(axes: Axes, x: float, y: float, text: str, fill: str, edge: str = "0.4") -> None:
    box = FancyBboxPatch(
        (x - 0.8, y - 0.36), 1.6, 0.72, boxstyle="round,pad=0,rounding_size=0.1", fc=fill, ec=edge, lw=1.5
    )
    axes.add_patch(box)
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "0.4"})


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
