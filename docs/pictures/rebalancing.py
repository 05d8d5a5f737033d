"""Picture of prediction re-balancing: how often each digit is predicted before and after, on a balanced test set."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources import SOURCES
from tailwise.posthoc import PredictionRebalancing
from tailwise.report.figure_file import write_figure

IMBALANCE = 40


def draw() -> Figure:
    """Bars of predictions, with how many images of each digit there are."""
    digits = SOURCES["digits"]()
    train, test = digits.load(root=None, split="train"), digits.load(root=None, split="test")
    counts = exponential_counts(num_classes=10, max_count=120, imbalance_factor=IMBALANCE)
    indices = subset_indices(train.targets, counts, seed=0)
    flat = [arrays.inputs.reshape(len(arrays.inputs), -1) / 16 for arrays in (train, test)]
    model = LogisticRegression(C=0.1, max_iter=1000).fit(flat[0][indices], train.targets[indices])
    logits = model.decision_function(flat[1])
    classes = np.arange(10)
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    rebalanced = PredictionRebalancing(tau=1.0).transform(logits)
    rows = (("as it is", logits, "#94a4a2", -0.2), ("re-balanced, tau = 1", rebalanced, "#bd1f01", 0.2))
    for name, scores, colour, shift in rows:
        predicted = scores.argmax(axis=1)
        label = f"{name}: {np.mean(predicted == test.targets):.0%} right"
        axes.bar(classes + shift, np.bincount(predicted, minlength=10), 0.4, color=colour, label=label)
    axes.step(np.append(classes, 10) - 0.5, np.append(test.counts, test.counts[-1]), where="post", color="0.2", lw=1)
    axes.set_xticks(classes, [f"{digit}\n{count}" for digit, count in zip(classes, counts, strict=True)])
    axes.set_xlabel("digit, with its training samples; the line: how often it is there")
    axes.set_title("how often each digit is predicted", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
