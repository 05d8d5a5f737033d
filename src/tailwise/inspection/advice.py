"""What to train on a data set, and why: drawn from the project's own measurements, and saying where they end."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tailwise.counts import ClassCounts
from tailwise.inspection.advised_recipe import METHODS
from tailwise.inspection.evidence import STUDIES, Kind, Study

BALANCED = 1.5
"""Imbalance factor up to which there is nothing to correct."""
AS_GOOD = 1.0
"""Points below the best within which the simplest method is advised."""
SAME_KIND = 3.0
"""Factor of imbalance within which a study is taken to answer for the data."""
SAME_SIZE = 10.0
"""Factor of the number of classes and of training samples, likewise."""
METRIC_NAMES = {"balanced_accuracy": "balanced accuracy", "f1": "F1 of the rare class"}


@dataclass(frozen=True)
class Advice:
    """What to train first, beside what, and why.

    Args:
        method: to train first.
        methods: what to compare, cross entropy first.
        reasons: sentences.
        doubts: sentences on where the measurements do not reach; empty where they answer for such data.
    """

    method: str
    methods: tuple[str, ...]
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


def advise(counts: ClassCounts, kind: Kind) -> Advice:
    """What the measurements say of data with these training counts (C,).

    The studies of the same kind of samples, and of as many classes where these are two, answer. Of the methods that
    all of them tried, the one with the largest mean gain over cross entropy is taken, or the simplest that comes within
    a point of it; cross entropy, where no gain is larger than the seeds' spread.
    """
    present = ClassCounts([count for count in counts if count > 0])
    factor = present.imbalance_factor
    studies = [study for study in STUDIES if study.kind == kind and (study.num_classes == 2) == (len(counts) == 2)]
    tried = [name for name in METHODS if all(name in study.figures for study in studies)]
    gains = {name: sum(study.gain(name) for study in studies) / len(studies) for name in tried}
    best = max(gains.values())
    certain = [name for name in tried if all(_is_gain(study, name) for study in studies)]
    good = [name for name in certain if gains[name] >= best - AS_GOOD]
    method = good[0] if good and factor > BALANCED else "ce"
    others = sorted((name for name in tried if name not in ("ce", method)), key=lambda name: -gains[name])
    reasons = [_figures(study, method, others) for study in studies]
    if factor <= BALANCED:
        reasons = [f"the classes are about equally frequent (imbalance {factor:.3g}): nothing is to be corrected"]
    elif method == "ce":
        reasons.append(
            "no loss gained more than the seeds' spread: train with cross entropy and choose the threshold for what "
            "errors cost you, on held-out samples"
        )
    elif method != max(gains, key=lambda name: gains[name]):
        reasons.append(
            f"of those within a point of the best mean gain over cross entropy ({best:+.1f} points, "
            f"{gains[method]:+.1f} of {method}) it is the simplest"
        )
    doubts = [] if factor <= BALANCED else _doubts(present, len(counts), factor, studies)
    return Advice(method, ("ce", *([method] if method != "ce" else []), *others[:4]), tuple(reasons), tuple(doubts))


def _is_gain(study: Study, method: str) -> bool:
    figure, reference = study.figures[method], study.figures["ce"]
    return study.gain(method) > math.hypot(figure.std, reference.std)


def _figures(study: Study, method: str, others: list[str]) -> str:
    shown = dict.fromkeys(("ce", method, *others[:2]))
    figures = ", ".join(f"{name} {study.figures[name].mean:.1f} ±{study.figures[name].std:.1f}" for name in shown)
    return (
        f"{study.about} ({study.num_train:,} samples, imbalance {study.imbalance_factor:g}, {study.model}): "
        f"{METRIC_NAMES[study.metric]} {figures} percent"
    )


def _doubts(counts: ClassCounts, num_classes: int, factor: float, studies: list[Study]) -> list[str]:
    def beyond(value: float, known: list[float], within: float) -> bool:
        return not min(known) / within <= value <= max(known) * within

    doubts = []
    factors = [study.imbalance_factor for study in studies]
    if beyond(factor, factors, SAME_KIND):
        doubts.append(f"we measured at an imbalance factor of {_span(factors)}, not near your {factor:.3g}")
    if num_classes > 2 and beyond(num_classes, known := [float(study.num_classes) for study in studies], SAME_SIZE / 2):
        doubts.append(f"we measured with {_span(known)} classes, not near your {num_classes}")
    total = sum(counts)
    if beyond(total, sizes := [float(study.num_train) for study in studies], SAME_SIZE):
        doubts.append(f"we measured with {_span(sizes)} training samples, not near your {total:,}")
    if min(counts) < 5:
        doubts.append(
            f"your rarest class has {min(counts)} training sample{'s' if min(counts) > 1 else ''}; of so few, more "
            "data helps more than any loss"
        )
    if not any("balanced_softmax" in study.figures for study in studies):
        doubts.append("there we have not tried balanced_softmax and its kin, which lead elsewhere: compare it as well")
    return doubts


def _span(values: list[float]) -> str:
    ends = sorted({min(values), max(values)})
    return " to ".join(f"{value:,g}" for value in ends)
