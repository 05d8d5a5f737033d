"""An inspection as one HTML page, with pictures of the images that are nearly the same."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tailwise.errors import InputError
from tailwise.inspection.findings import Inspection, Sample
from tailwise.inspection.picture import group_of
from tailwise.inspection.problems import Problem
from tailwise.inspection.summary import Summary
from tailwise.report.html import render, save_page

SHOWN = 200
"""Cases of a problem that the page lists."""
PICTURES = 24
"""Pairs of a problem that the page shows as pictures."""
SIDE = 96
"""Pixels of a picture."""


@dataclass(frozen=True)
class Row:
    """A class in the table of counts; width is in percent of the most frequent one."""

    name: str
    train: int
    test: int
    group: str
    width: float


def write_page(summary: Summary, path: Path) -> None:
    """Write the page.

    Raises:
        InputError: it cannot be written there.
    """
    save_page(path, page_html(summary))


def page_html(summary: Summary) -> str:
    """The page as text."""
    return render(
        "tailwise.inspection",
        "page.html.j2",
        summary=summary,
        found=summary.found,
        rows=_rows(summary.found),
        pictures={problem.what: _pictures(summary.found, problem) for problem in summary.problems},
        shown=SHOWN,
    )


def _rows(found: Inspection) -> list[Row]:
    """The classes, the most frequent first."""
    group = group_of(found.train)
    largest = max(found.train)
    order = np.argsort(-found.train.counts, kind="stable").tolist()
    return [
        Row(
            found.class_names[label],
            found.train[label],
            found.test[label],
            group[label],
            round(100 * found.train[label] / largest, 2),
        )
        for label in order
    ]


def _pictures(found: Inspection, problem: Problem) -> list[tuple[tuple[Sample, str], tuple[Sample, str]]]:
    """The first pairs, each sample with its picture as a data address; none of what are no images."""
    if not found.is_image:
        return []
    return [
        ((pair.first, _picture(found, pair.first)), (pair.second, _picture(found, pair.second)))
        for pair in problem.twins[:PICTURES]
    ]


def _picture(found: Inspection, sample: Sample) -> str:
    """A PNG; empty where the file is gone meanwhile."""
    part = next(part for part in found.parts if part.split == sample.split)
    try:
        pixels = part.read(np.array([sample.row]))[0]
    except InputError:
        return ""
    if pixels.shape[2] not in (1, 3):
        pixels = pixels[:, :, :1]
    image = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
    factor = SIDE / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    file = io.BytesIO()
    image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
