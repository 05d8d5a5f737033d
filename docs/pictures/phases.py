"""Picture of phased progressive learning: class weights, sampling and mixed labels over the epochs."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

from tailwise.report.figure_file import write_figure
from tailwise.schedules import PhasedProgressiveMixing, PhasedProgressiveSampling, PhasedProgressiveWeights

COUNTS, START, END, EPOCHS = [5000, 500, 50], 100, 160, 200
COLOURS = ("#3f90da", "#94a4a2", "#bd1f01")


def draw() -> Figure:
    """Three panels, the phase shaded."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    weights, sampling, mixing = figure.subplots(1, 3)
    epochs = range(EPOCHS)
    weight = torch.stack([PhasedProgressiveWeights(COUNTS, START, END)(epoch) for epoch in epochs])
    share = torch.stack([PhasedProgressiveSampling(COUNTS, START, END)(epoch) for epoch in epochs])
    for index, (count, colour) in enumerate(zip(COUNTS, COLOURS, strict=True)):
        weights.plot(epochs, weight[:, index], color=colour, label=f"class of {count:,}")
        sampling.plot(epochs, share[:, index], color=colour)
    weights.set_title("PPW: class weight", loc="left")
    sampling.set_title("PPS: probability of a class", loc="left")
    mixed = PhasedProgressiveMixing(START, END)
    lam = torch.tensor(0.4, dtype=torch.float64)
    frequent, rare = torch.tensor(COUNTS[0]), torch.tensor(COUNTS[-1])
    label = torch.stack([mixed.label_weight(epoch, lam, frequent, rare) for epoch in epochs])
    mixing.plot(epochs, label, color=COLOURS[0])
    mixing.plot(epochs, 1 - label, color=COLOURS[-1])
    mixing.set_title("PPmix: label of 0.4 frequent + 0.6 rare", loc="left")
    for axes in (weights, sampling, mixing):
        axes.axvspan(START, END, color="0.95")
        axes.set_xlabel("epoch")
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    weights.legend(frameon=False)
    return figure


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
