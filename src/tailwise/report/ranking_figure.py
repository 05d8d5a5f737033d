"""The critical-difference diagram: methods on an axis of average ranks, bars join those that do not differ."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from tailwise.errors import InputError
from tailwise.report.comparison import SIGNIFICANT
from tailwise.report.figure_file import write_figure
from tailwise.report.ranking import Ranking
from tailwise.report.ranking_table import blocks_sentence, friedman_sentence, title, wilcoxon_sentence

PairwiseTest = Literal["nemenyi", "wilcoxon"]
SUBJECTS: dict[PairwiseTest, str] = {
    "nemenyi": "Nemenyi's test shows",
    "wilcoxon": "Holm-corrected signed-rank tests show",
}
BAR_COLOUR = matplotlib.color_sequences["petroff10"][0]
# Inches, from the top down.
MARGIN, AXIS_WIDTH, GAP = 0.3, 6.4, 0.12
TITLE_HEIGHT, RULER_HEIGHT, TICKS_HEIGHT, BAR_HEIGHT, LABEL_HEIGHT, LINE_HEIGHT = 0.3, 0.5, 0.35, 0.11, 0.21, 0.17
OVERHANG = 0.03
# Points; a viewer without the font that the labels were measured in may take a wider one.
LABEL_SIZE, CAPTION_SIZE, TITLE_SIZE = 9.5, 8.5, 11.0
WIDER = 1.15
CAPTION_CHARACTERS_PER_INCH = 15.0
EVERY_RANK_LABELLED = 20


def write_ranking_figure(path: Path, ranking: Ranking, test: PairwiseTest = "nemenyi") -> None:
    """Draw the critical-difference diagram to a file.

    Args:
        path: .png or .svg.
        ranking: what to draw.
        test: whose groups the bars join. Nemenyi's has one critical difference, drawn as a ruler.

    Raises:
        InputError: the file is of another kind or cannot be written, or there are too few blocks for the test.
    """
    if test == "wilcoxon" and ranking.wilcoxon_groups is None:
        given = f"got {len(ranking.blocks)}; add data sets or seeds, rank fewer methods, or use --test nemenyi"
        raise InputError(f"{wilcoxon_sentence(ranking).rstrip('.')}, {given}")
    write_figure(path, lambda: ranking_figure(ranking, test))


def ranking_figure(ranking: Ranking, test: PairwiseTest = "nemenyi") -> Figure:
    """The diagram, as wide and high as the labels need.

    Better half of the methods on the left, best on top; worse half on the right, worst on top: so no line crosses
    another.
    """
    groups = ranking.nemenyi_groups if test == "nemenyi" else ranking.wilcoxon_groups or []
    with_ruler = test == "nemenyi" and ranking.friedman.significant
    methods = ranking.methods
    half = (len(methods) + 1) // 2
    better = [f"{method}  {ranking.average_ranks[method]:.2f}" for method in methods[:half]]
    worse = [f"{ranking.average_ranks[method]:.2f}  {method}" for method in reversed(methods[half:])]
    first = MARGIN + _widest(better) + 2 * GAP
    width = first + AXIS_WIDTH + 2 * GAP + _widest(worse) + MARGIN
    scale = AXIS_WIDTH / (len(methods) - 1)
    place = {method: first + scale * (average - 1) for method, average in ranking.average_ranks.items()}
    bars = _levels([(place[group[0]], place[group[-1]]) for group in groups])
    num_levels = max((level for _, _, level in bars), default=-1) + 1
    caption = _caption(ranking, test, width, bool(groups))
    heights = (
        MARGIN + TITLE_HEIGHT,
        RULER_HEIGHT if with_ruler else 0.0,
        TICKS_HEIGHT,
        BAR_HEIGHT * (num_levels + 1),
        LABEL_HEIGHT * half + GAP,
        LINE_HEIGHT * len(caption) + MARGIN,
    )
    figure = Figure(figsize=(width, sum(heights)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(sum(heights), 0))
    axes.axis("off")
    axes.text(MARGIN, MARGIN, title(ranking), size=TITLE_SIZE, va="top", weight="bold", color="0.15")
    axis_y = sum(heights[:3])
    if with_ruler:
        _ruler(axes, first, axis_y - TICKS_HEIGHT - GAP, ranking.critical_difference, scale)
    _axis(axes, first, axis_y, len(methods), scale)
    for start, end, level in bars:
        bar_y = axis_y + BAR_HEIGHT * (level + 1)
        axes.plot(
            (start - OVERHANG, end + OVERHANG),
            (bar_y, bar_y),
            color=BAR_COLOUR,
            linewidth=4,
            solid_capstyle="butt",
            zorder=3,
        )
    labels_y = axis_y + heights[3] + LABEL_HEIGHT / 2
    _labels(axes, better, [place[method] for method in methods[:half]], first - GAP, axis_y, labels_y, "right")
    places = [place[method] for method in reversed(methods[half:])]
    _labels(axes, worse, places, first + AXIS_WIDTH + GAP, axis_y, labels_y, "left")
    for number, line in enumerate(caption):
        line_y = sum(heights[:5]) + LINE_HEIGHT * (number + 1)
        axes.text(MARGIN, line_y, line, size=CAPTION_SIZE, va="bottom", color="0.35")
    return figure


def _widest(labels: Sequence[str]) -> float:
    """Inches that the widest label takes."""
    font = FontProperties(family="DejaVu Sans")
    points = max(float(TextPath((0, 0), label, LABEL_SIZE, prop=font).get_extents().width) for label in labels)
    return WIDER * points / 72


def _levels(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Each span, from left to right, with the first level on which it touches none before it."""
    ends: list[float] = []
    placed: list[tuple[float, float, int]] = []
    for start, end in spans:
        level = next((n for n, taken in enumerate(ends) if taken + 3 * OVERHANG < start), len(ends))
        ends[level : level + 1] = [end]
        placed.append((start, end, level))
    return placed


def _axis(axes: Axes, first: float, axis_y: float, num_methods: int, scale: float) -> None:
    axes.plot((first, first + AXIS_WIDTH), (axis_y, axis_y), color="0.15", linewidth=1.2, solid_capstyle="projecting")
    for rank in range(1, num_methods + 1):
        labelled = num_methods <= EVERY_RANK_LABELLED or rank == 1 or rank % 5 == 0
        x = first + scale * (rank - 1)
        axes.plot((x, x), (axis_y - (0.09 if labelled else 0.05), axis_y), color="0.15", linewidth=1.0)
        if labelled:
            axes.text(x, axis_y - 0.12, f"{rank}", size=CAPTION_SIZE, ha="center", va="bottom", color="0.15")


def _ruler(axes: Axes, first: float, ruler_y: float, difference: float, scale: float) -> None:
    """The critical difference from rank 1 on; without an end where it is longer than the axis."""
    end = first + min(scale * difference, AXIS_WIDTH)
    whole = scale * difference <= AXIS_WIDTH
    axes.plot((first, end), (ruler_y, ruler_y), color="0.15", linewidth=1.4)
    for x in (first, end) if whole else (first,):
        axes.plot((x, x), (ruler_y - 0.05, ruler_y + 0.05), color="0.15", linewidth=1.4)
    label = f"critical difference {difference:.2f}" + ("" if whole else ", longer than the axis")
    axes.text(first, ruler_y - 0.08, label, size=CAPTION_SIZE, va="bottom", color="0.15")


def _labels(
    axes: Axes,
    labels: Sequence[str],
    places: Sequence[float],
    edge: float,
    axis_y: float,
    labels_y: float,
    side: Literal["left", "right"],
) -> None:
    """Labels beneath each other beside ``edge``, each with a line to its place on the axis."""
    for number, (label, x) in enumerate(zip(labels, places, strict=True)):
        y = labels_y + LABEL_HEIGHT * number
        axes.plot((x, x, edge), (axis_y, y, y), color="0.6", linewidth=0.9, solid_joinstyle="miter", zorder=1)
        text_x = edge + (-GAP / 2 if side == "right" else GAP / 2)
        axes.text(text_x, y, label, size=LABEL_SIZE, ha=side, va="center_baseline", color="0.1")


def _caption(ranking: Ranking, test: PairwiseTest, width: float, bars: bool) -> list[str]:
    if test == "nemenyi" and not ranking.friedman.significant:
        meaning = "The bar joins them all."
    elif bars:
        meaning = f"Bars join methods between which {SUBJECTS[test]} no difference at the {SIGNIFICANT} level."
    else:
        meaning = f"No bars: between no two neighbours {SUBJECTS[test]} no difference at the {SIGNIFICANT} level."
    sentences = (blocks_sentence(ranking), friedman_sentence(ranking), f"{meaning} Rank 1 is the best.")
    characters = int((width - 2 * MARGIN) * CAPTION_CHARACTERS_PER_INCH)
    return [line for sentence in sentences for line in textwrap.wrap(sentence, characters)]
