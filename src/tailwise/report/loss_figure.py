"""The gradient view as an image: loss and gradient side by side, a colour per loss, a line style per class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tailwise.counts import ClassCounts, CountsLike
from tailwise.errors import InputError
from tailwise.report.figure_file import write_figure
from tailwise.report.loss_curves import ClassCurve, LossCurves

Group = Literal["minority", "majority"]
COLOURS = matplotlib.color_sequences["petroff10"]
MINORITY, MAJORITY = (0, ()), (0, (4, 2))
CAPTION_WIDTH = 200
GROUPS: tuple[Group, ...] = ("minority", "majority")
INDISTINGUISHABLE = 2e-3


def write_loss_figure(path: Path, curves: Sequence[LossCurves], class_counts: CountsLike) -> None:
    """Draw the curves of ``loss_curves`` to a file.

    Args:
        path: .png or .svg.
        curves: at most ten losses, as many as colours that can be told apart.
        class_counts: (C,) the counts that the curves were made with.

    Raises:
        InputError: the file is of another kind or cannot be written, or there are too many losses.
    """
    if len(curves) > len(COLOURS):
        raise InputError(f"one figure tells {len(COLOURS)} losses apart, got {len(curves)}; draw several figures")
    write_figure(path, lambda: _drawn(curves, ClassCounts(class_counts)))


def _drawn(curves: Sequence[LossCurves], counts: ClassCounts) -> Figure:
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    loss_axes, gradient_axes = figure.subplots(1, 2)
    # Curves that coincide stay visible: the later one is thinner, so that the earlier shows on both sides of it.
    widths = np.linspace(3.2, 1.6, len(curves)) if len(curves) > 1 else [2.0]
    for curve, colour, width in zip(curves, COLOURS, widths, strict=False):
        for of_class, style in ((curve.minority, MINORITY), (curve.majority, MAJORITY)):
            loss_axes.plot(of_class.p, of_class.loss, color=colour, linestyle=style, linewidth=width)
            gradient_axes.plot(of_class.p, of_class.gradient, color=colour, linestyle=style, linewidth=width)
    _label(loss_axes, "loss", "L")
    _label(gradient_axes, "gradient", "∂L / ∂z_y   (negative: training raises z_y)")
    figure.legend(handles=_legend(curves, counts), loc="outside right upper", frameon=False, handlelength=3.2)
    figure.supxlabel(_caption(curves, counts), x=0.01, ha="left", fontsize=8.5, color="0.3")
    return figure


def _label(axes: Axes, title: str, quantity: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel("p_y, probability of the sample's own class")
    axes.set_ylabel(quantity)
    axes.set_xlim(0, 1)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(curves: Sequence[LossCurves], counts: ClassCounts) -> list[Line2D]:
    fewest, most = int(counts.counts.argmin()), int(counts.counts.argmax())
    classes = [
        Line2D([], [], color="0.2", linestyle=MINORITY, label=f"minority: class {fewest}, {counts[fewest]:,} samples"),
        Line2D([], [], color="0.2", linestyle=MAJORITY, label=f"majority: class {most}, {counts[most]:,} samples"),
    ]
    losses = []
    for curve, colour in zip(curves, COLOURS, strict=False):
        label = f"{curve.name} (both classes alike)" if _alike(curve.minority, curve.majority) else curve.name
        losses.append(Line2D([], [], color=colour, linewidth=2.4, label=label))
    return classes + losses


def _alike(one: ClassCurve, other: ClassCurve) -> bool:
    """Whether the eye cannot tell them apart."""
    pairs = ((one.loss, other.loss), (one.gradient, other.gradient))
    return all(np.allclose(a, b, rtol=INDISTINGUISHABLE, atol=INDISTINGUISHABLE) for a, b in pairs)


def _coinciding(curves: Sequence[LossCurves], group: Group) -> list[str]:
    """Names of the losses whose curves for a class lie on one another."""
    found, left = [], list(curves)
    while left:
        first = left[0]
        alike = [curve for curve in left if _alike(getattr(first, group), getattr(curve, group))]
        if len(alike) > 1:
            found.append(" = ".join(curve.name for curve in alike))
        left = [curve for curve in left if curve not in alike]
    return found


def _caption(curves: Sequence[LossCurves], counts: ClassCounts) -> str:
    others = "the other class has 1 - p_y" if len(counts) == 2 else f"the other {len(counts) - 1} share 1 - p_y equally"
    lines = [
        f"One sample of class y, with p = softmax(z) of the logits z before the loss changes them; {others}. "
        "Gradient: the derivative of its loss by its own logit z_y, others held."
    ]
    notes: dict[str, list[str]] = {}
    for curve in curves:
        if curve.note:
            notes.setdefault(curve.note, []).append(curve.name)
    lines += [f"{', '.join(names)}: {note}." for note, names in notes.items()]
    coinciding = {group: _coinciding(curves, group) for group in GROUPS}
    alike = [f"in the {group} {', '.join(names)}" for group, names in coinciding.items() if names]
    if alike:
        lines.append(f"On one another: {'; '.join(alike)}.")
    return "\n".join(textwrap.fill(line, CAPTION_WIDTH) for line in lines)
