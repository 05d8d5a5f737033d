"""Picture of class weights and of sampling: how much a class counts, against how many samples it has."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tailwise.data.profiles import exponential_counts
from tailwise.report.figure_file import write_figure
from tailwise.sampling import class_probabilities
from tailwise.weights import effective_number_weights, inverse_frequency_weights

COUNTS = exponential_counts(num_classes=10, max_count=5000, imbalance_factor=100)
COLOURS = ("#bd1f01", "#ffa90e", "#3f90da", "#94a4a2")


def draw() -> Figure:
    """Weights on the left, shares of the draws on the right, class by class."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    classes = np.arange(len(COUNTS))
    weights = {
        "inverse frequency": inverse_frequency_weights(COUNTS),
        "effective number, beta 0.9999": effective_number_weights(COUNTS, 0.9999),
        "effective number, beta 0.999": effective_number_weights(COUNTS, 0.999),
        "none": inverse_frequency_weights(COUNTS, power=0),
    }
    for (name, values), colour in zip(weights.items(), COLOURS, strict=True):
        left.plot(classes, values, marker="o", color=colour, label=name)
    for name, colour in zip(("class-balanced", "effective-number", "square-root", "instance"), COLOURS, strict=True):
        shares = class_probabilities(name, COUNTS)
        right.plot(classes, shares, marker="o", color=colour, label=name)
    left.set_title("weight of a sample of the class", loc="left")
    right.set_title("share of the draws that the class gets", loc="left")
    for axes in (left, right):
        axes.set_xlabel("class, with its training samples")
        axes.set_xticks(classes, [f"{count:,}" for count in COUNTS], fontsize=8)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
