"""The held-out samples of a search: how many, whether they are enough, and whether they tell the metric."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.data.loader import prepare
from tailwise.data.profiles import validation_counts
from tailwise.errors import InputError
from tailwise.metrics import classification_report

FRACTIONS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
"""Tried from the first to the last where the recipe holds nothing out."""
FEWEST = 2
"""Held-out samples of a class: one alone cannot be split between choosing a correction and judging it."""
FEW = 10


@dataclass(frozen=True)
class HeldOut:
    """Training counts of a recipe, the share of each class that is held out, and how many samples that is in all."""

    class_counts: ClassCounts
    class_names: tuple[str, ...]
    fraction: float
    counts: tuple[int, ...]

    @property
    def caution(self) -> str | None:
        """What one should know of the rarest class, in a sentence."""
        rarest = min(range(len(self.counts)), key=lambda label: self.counts[label])
        if self.counts[rarest] >= FEW:
            return None
        return (
            f"Class {self.class_names[rarest]!r} has {self.counts[rarest]} held-out samples: each of them moves its "
            f"recall by {100 / self.counts[rarest]:.0f} points. More --folds would hold out others as well."
        )


def held_out(config: DataConfig, folds: int, metric: str, root: Path | None) -> HeldOut:
    """Which share of each class to hold out; the test samples are not read.

    Args:
        config: of the recipe. Where it holds nothing out, the smallest of ``FRACTIONS`` that leaves no class with
            fewer than ``FEWEST`` held-out samples.
        folds: how often, each time other samples.
        metric: that the samples are to tell.
        root: folder of data sets.

    Raises:
        InputError: a class has too few samples, or there is no such metric of these data.
    """
    update = {"validation_fraction": 0.0}
    train = prepare(config.model_copy(update=update), root, tested=False).train.arrays
    counts = train.counts
    tried = (config.validation_fraction,) if config.validation_fraction else FRACTIONS
    for fraction in tried:
        each = np.minimum(folds * validation_counts(counts, fraction).counts, counts.counts)
        if each.min() >= FEWEST:
            break
    else:
        raise InputError(_too_few(counts, train.class_names, int(each.argmin()), int(each.min()), fraction, folds))
    found = HeldOut(counts, train.class_names, fraction, tuple(int(count) for count in each))
    _check_metric(metric, found)
    return found


def _too_few(counts: ClassCounts, names: tuple[str, ...], rarest: int, held: int, fraction: float, folds: int) -> str:
    have = int(counts.counts[rarest])
    mend = "leave the class out with data.classes, or gather more of it"
    if have >= FEWEST:
        mend = f"give --folds {-(-FEWEST // max(held, 1)) * folds} or more, or {mend}"
    return (
        f"class {names[rarest]!r} has {have} training samples, of which data.validation_fraction {fraction:g} holds "
        f"out {held} in {folds} fold{'s' if folds > 1 else ''}; a search needs at least {FEWEST} of each class: {mend}"
    )


def _check_metric(metric: str, found: HeldOut) -> None:
    targets = np.repeat(np.arange(len(found.counts)), found.counts)
    known = classification_report(np.zeros((len(targets), len(found.counts))), targets, found.class_counts)
    if metric not in known:
        shown = ", ".join(name for name in known if not name.startswith("recall/"))
        sizes = (
            f"{len(found.counts)} classes of {min(found.class_counts)} to {max(found.class_counts)} training samples"
        )
        raise InputError(
            f"--metric {metric} cannot be computed on these data, {sizes}; there are {shown}, recall/<class>"
        )
