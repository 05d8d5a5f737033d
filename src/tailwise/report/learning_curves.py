"""Learning curves of a method: the mean of its seeds, epoch by epoch, and their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tailwise.errors import InputError
from tailwise.hyperparameters import in_range, whole_number
from tailwise.reading import parse_json
from tailwise.report.runs import Run
from tailwise.training.run_directory import RunDirectory

LEFT_OUT = ("epoch", "stage", "seconds")


@dataclass(frozen=True)
class Curve:
    """A value after each of some epochs: mean over the seeds, sample standard deviation (None for one seed)."""

    epochs: list[int]
    mean: list[float]
    std: list[float | None]


def learning_curves(runs: Sequence[Run]) -> dict[str, Curve]:
    """The curves of what the runs of one method recorded: loss, learning rate, and test metrics where they were taken.

    An epoch counts where every run has a value of it. Recalls of single classes are left out.

    Raises:
        InputError: a run has no ``metrics.jsonl``, or a broken one.
    """
    lines = [_lines(run) for run in runs]
    names = dict.fromkeys(name for line in lines[0] for name in line if _shown(name))
    curves: dict[str, Curve] = {}
    for name in names:
        of_runs = [{line["epoch"]: line[name] for line in of_run if name in line} for of_run in lines]
        epochs = sorted(set.intersection(*(set(values) for values in of_runs)))
        columns = [[values[epoch] for values in of_runs] for epoch in epochs]
        if epochs:
            stds = [statistics.stdev(column) if len(column) > 1 else None for column in columns]
            curves[name] = Curve(epochs, [statistics.fmean(column) for column in columns], stds)
    return curves


def _shown(name: str) -> bool:
    return name not in LEFT_OUT and not name.startswith("test/recall/")


def _lines(run: Run) -> list[dict[str, Any]]:
    try:
        lines = [parse_json(line) for line in RunDirectory(run.path).metrics()]
        for line in lines:
            whole_number("epoch", line["epoch"])
            for name in filter(_shown, line):
                in_range(name, line[name])
        if lines:
            return lines
        reason = "it is missing or empty"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error)
    raise InputError(f"{run.path / 'metrics.jsonl'} cannot be read ({reason})")
