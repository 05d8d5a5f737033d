"""Picture of balanced contrastive learning: which classes push a sample away."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tailwise.data.profiles import exponential_counts
from tailwise.report.figure_file import write_figure

COUNTS = np.array(exponential_counts(num_classes=10, max_count=5000, imbalance_factor=100))


def draw() -> Figure:
    """Each class's share of the denominator while no feature is nearer than another."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    classes = np.arange(len(COUNTS))
    axes.bar(classes - 0.2, COUNTS / COUNTS.sum(), 0.4, color="#94a4a2", label="summed over samples: n_c / N")
    axes.bar(classes + 0.2, np.full(len(COUNTS), 1 / len(COUNTS)), 0.4, color="#bd1f01", label="BCL: 1 / C")
    axes.set_xticks(classes, [f"{count:,}" for count in COUNTS])
    axes.set_xlabel("class, with its training samples")
    axes.set_title("share of the denominator, all similarities equal", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
