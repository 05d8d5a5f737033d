"""Which correction a trained trial should have, and what it is worth on samples that did not choose it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailwise.counts import ClassCounts
from tailwise.metrics import classification_report, decision_report
from tailwise.posthoc import build_posthoc
from tailwise.report.comparison import LOWER_IS_BETTER

TAUS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
GROUPS = 5
RESAMPLES = 200
FROM_SCORES = ("ece", "auc", "ap")

Logits = NDArray[np.float64]
Targets = NDArray[np.int64]


@dataclass(frozen=True)
class Verdict:
    """What the held-out samples say of a trial.

    plain: the metric as trained.
    posthoc, tau: the correction that is worth it, or None and 0.
    corrected: the metric with a strength chosen on four fifths of the samples and judged on the fifth, each in turn;
        None where there is no correction to choose from.
    apparent: the metric with the strength, 0 among them, that is the best on all of them, judged on the same.
    value: what the trial counts with, the better one of plain and corrected.
    """

    plain: float
    posthoc: str | None
    tau: float
    corrected: float | None
    apparent: float | None
    value: float

    @property
    def optimism(self) -> float | None:
        """By how much choosing and judging on the same samples would have flattered the choice."""
        return None if self.corrected is None or self.apparent is None else abs(self.apparent - self.corrected)


@dataclass(frozen=True)
class Judge:
    """A metric of samples of some training counts."""

    metric: str
    class_counts: ClassCounts

    def __call__(self, logits: Logits, targets: Targets) -> float:
        """The metric of logits (N, C) and targets (N,)."""
        if self.metric in FROM_SCORES:
            return classification_report(logits, targets, self.class_counts)[self.metric]
        return decision_report(logits.argmax(axis=1), targets, self.class_counts)[self.metric]

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self.metric in LOWER_IS_BETTER

    def better(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        return one < other if self.lower_is_better else one > other

    def best(self, values: Sequence[float]) -> int:
        """The index of the best value; of a run of equally good ones the middle, unless it begins with the first."""
        target = min(values) if self.lower_is_better else max(values)
        first = list(values).index(target)
        run = list(itertools.takewhile(lambda value: value == target, values[first:]))
        return 0 if first == 0 else first + (len(run) - 1) // 2


def judged(
    logits: Logits, targets: Targets, judge: Judge, posthoc: Sequence[str], train_counts: ClassCounts
) -> tuple[Verdict, Logits]:
    """What held-out samples say of a trial, and its logits as it should give them.

    Choosing a strength on a few samples of the rare classes and judging it on the same would favour trials whose noise
    suits some strength. So the samples are dealt out, class by class, to five groups; the strength, 0 among them, that
    is the best on four of the groups corrects the fifth; and the metric is that of all samples, each corrected without
    a say. Where that is better than no correction, the trial has the strength that is the best on all samples.

    Args:
        logits: (N, C) of held-out samples.
        targets: (N,).
        judge: the metric.
        posthoc: corrections to choose from.
        train_counts: of the samples that the trial was trained on.
    """
    plain = judge(logits, targets)
    if not posthoc:
        return Verdict(plain, None, 0.0, None, None, plain), logits
    candidates: list[tuple[str | None, float]] = [(None, 0.0), *itertools.product(posthoc, TAUS)]
    # Re-balancing assumes a balanced set; every class has the same say in it, as in the search of `evaluate`.
    weight = 1 / np.bincount(targets, minlength=logits.shape[1])[targets]
    transformed = [
        logits if name is None else build_posthoc(name, train_counts, tau=tau).transform(logits, weight)
        for name, tau in candidates
    ]
    groups = dealt(targets)
    crossed = logits.copy()
    for group in np.unique(groups):
        others = groups != group
        chosen = judge.best([judge(scores[others], targets[others]) for scores in transformed])
        crossed[~others] = transformed[chosen][~others]
    corrected = judge(crossed, targets)
    values = [judge(scores, targets) for scores in transformed]
    apparent = values[judge.best(values)]
    if not judge.better(corrected, plain):
        return Verdict(plain, None, 0.0, corrected, apparent, plain), logits
    name, tau = candidates[1 + judge.best(values[1:])]
    return Verdict(plain, name, tau, corrected, apparent, corrected), crossed


def dealt(targets: Targets) -> NDArray[np.int64]:
    """(N,) the group of each sample: those of a class go round, and each class begins where the last one ended."""
    by_class = np.argsort(targets, kind="stable")
    groups = np.empty(len(targets), dtype=np.int64)
    groups[by_class] = np.arange(len(targets)) % GROUPS
    return groups


def standard_error(logits: Logits, targets: Targets, judge: Judge) -> float:
    """Of the metric, by the bootstrap: its spread over sets drawn with replacement from the samples of each class."""
    generator = np.random.default_rng(0)
    by_class = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    values = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([generator.choice(of_class, len(of_class)) for of_class in by_class])
        values.append(judge(logits[rows], targets[rows]))
    return float(np.std(values, ddof=1))
