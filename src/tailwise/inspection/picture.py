"""The counts of a data set's classes as text: a bar for each class, or a curve where there are many."""

from __future__ import annotations

import math

import numpy as np
from rich.text import Text

from tailwise.counts import ClassCounts

MOST_BARS = 40
"""Classes that are shown one by one."""
BAR_CELLS = 40
CURVE_CELLS = 60
CURVE_LINES = 8
EIGHTHS = " ▏▎▍▌▋▊▉█"
RISING = " ▁▂▃▄▅▆▇█"
STYLES = {"many": "green", "medium": "yellow", "few": "red"}
LONGEST_NAME = 24


def counts_picture(counts: ClassCounts, class_names: tuple[str, ...]) -> Text:
    """The classes from the most frequent to the rarest, coloured as many, medium and few."""
    order = np.argsort(-counts.counts, kind="stable")
    if len(order) <= MOST_BARS:
        return _bars(counts, [class_names[label] for label in order], order.tolist())
    return _curve(counts, order.tolist())


def group_of(counts: ClassCounts) -> dict[int, str]:
    """Of each class: many, medium or few."""
    return {label: name for name, labels in counts.groups()._asdict().items() for label in labels}


def _bars(counts: ClassCounts, names: list[str], order: list[int]) -> Text:
    group = group_of(counts)
    shown = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names]
    width, largest = max(map(len, shown)), max(counts)
    text = Text()
    for name, label in zip(shown, order, strict=True):
        eighths = math.ceil(8 * BAR_CELLS * counts[label] / largest)
        bar = EIGHTHS[8] * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
        text.append(f"{name:<{width}}  ")
        text.append(bar, style=STYLES[group[label]])
        text.append(f" {counts[label]:,}\n")
    return text


def _curve(counts: ClassCounts, order: list[int]) -> Text:
    """Each column the mean of some neighbours in rank, on a logarithmic scale."""
    group = group_of(counts)
    parts = np.array_split(np.array(order), CURVE_CELLS)
    means = [float(counts[part].mean()) for part in parts]
    top, bottom = math.log1p(max(means)), 0.0
    label_width = len(f"{max(counts):,}")
    text = Text()
    for line in range(CURVE_LINES, 0, -1):
        mark = math.expm1(bottom + (top - bottom) * line / CURVE_LINES)
        text.append(f"{round(mark):>{label_width},} ")
        for part, mean in zip(parts, means, strict=True):
            filled = CURVE_LINES * (math.log1p(mean) - bottom) / (top - bottom) - (line - 1)
            cell = RISING[max(0, min(8, math.ceil(8 * filled)))]
            text.append(cell, style=STYLES[group[int(part[len(part) // 2])]])
        text.append("\n")
    text.append(f"{'':>{label_width}} {len(order)} classes, the most frequent on the left, logarithmic scale\n")
    return text
