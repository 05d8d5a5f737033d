"""The figures of one recipe as plain data, small enough for a page: recalls, confusions, curves, sweeps."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.errors import InputError
from tailwise.posthoc import TAUS
from tailwise.recipes.catalog import Correction
from tailwise.report.calibration import ReliabilityBins, reliability_bins
from tailwise.report.comparison import by_method_and_seed
from tailwise.report.evaluation import corrected_in_training, row_predictions
from tailwise.report.learning_curves import Curve, learning_curves
from tailwise.report.packing import pack_shares, pack_sparse
from tailwise.report.precision_recall import PrecisionRecall, precision_recall
from tailwise.report.runs import Run
from tailwise.report.tau_sweep import SWEPT, tau_sweep

DIGITS = 4
Sweeps = dict[str, dict[str, list[float]]]


@dataclass
class _Row:
    """What the predictions of one row's runs add up to."""

    cells: list[NDArray[np.int64]]
    bins: list[ReliabilityBins]
    curves: list[PrecisionRecall]
    sweeps: list[Sweeps]


def figures_of(
    shown: Sequence[Run], known: dict[str, Correction], metrics: Sequence[str], advance: Callable[[], None]
) -> tuple[dict[str, Any], list[str]]:
    """The figures of one recipe, and a sentence about each that cannot be drawn.

    Args:
        shown: the runs of ``rows_of``.
        known: the corrections that some of the rows are.
        metrics: those that all runs have.
        advance: called when a run is done.
    """
    missing: list[str] = []
    rows = by_method_and_seed(shown)
    counts = shown[0].class_counts
    tested: list[int] = []
    methods = []
    for name, of_seed in rows.items():
        runs = list(of_seed.values())
        found = _from_predictions(runs, known, tested, missing, advance)
        method: dict[str, Any] = {
            "name": name,
            "seeds": len(runs),
            "corrects": known[name].method if name in known else None,
            "metrics": {metric: _mean_and_std([run.metrics[metric] for run in runs]) for metric in metrics},
            "recall": _recalls(runs, len(counts)),
            **({} if found is None else _drawn(found, len(counts))),
        }
        if name not in known:
            method["training"] = _training(runs, missing)
            method["adjusted"] = _adjusted(runs[0], missing)
        methods.append(method)
    if not any(name.startswith("test/") for method in methods for name in method.get("training") or {}):
        missing.append(
            "there are no learning curves of test metrics, which these runs took after the last epoch alone; "
            "--set training.evaluate_every=1 takes them on the way."
        )
    return {
        "recipe": shown[0].recipe,
        "classes": list(shown[0].class_names),
        "counts": list(counts),
        "tested": tested[0] if tested else 0,
        "taus": list(TAUS),
        "methods": methods,
    }, missing


def _from_predictions(
    runs: Sequence[Run],
    known: dict[str, Correction],
    tested: list[int],
    missing: list[str],
    advance: Callable[[], None],
) -> _Row | None:
    row = _Row([], [], [], [])
    for run in runs:
        try:
            logits, targets = row_predictions(run, known)
        except InputError as error:
            missing.append(f"the figures of {run.loss} are without seed {run.seed}: {error}.")
            continue
        finally:
            advance()
        num_classes = len(run.class_counts)
        tested.append(len(targets))
        row.cells.append(targets * num_classes + logits.argmax(axis=1))
        row.bins.append(reliability_bins(logits, targets))
        row.curves.append(precision_recall(logits, targets))
        if run.loss not in known:
            row.sweeps.append(_sweeps(run, logits, targets, missing))
    return row if row.cells else None


def _sweeps(run: Run, logits: NDArray[np.float64], targets: NDArray[np.int64], missing: list[str]) -> Sweeps:
    found: Sweeps = {}
    for posthoc in SWEPT:
        try:
            found[posthoc] = tau_sweep(posthoc, logits, targets, run.class_counts)
        except ValueError as error:
            sentence = f"there is no sweep of {posthoc}: {error}."
            missing += [] if sentence in missing else [sentence]
    return found


def _drawn(row: _Row, num_classes: int) -> dict[str, Any]:
    """Sums over the seeds of what is counted, means of what is not."""
    cells, counted = np.unique(np.concatenate(row.cells), return_counts=True)
    bins = row.bins[0]
    for more in row.bins[1:]:
        bins += more
    full = np.where(bins.samples > 0, bins.samples, np.nan)
    with np.errstate(invalid="ignore"):
        classes = np.mean([curves.classes for curves in row.curves], axis=0)
        averages = np.mean([curves.class_averages for curves in row.curves], axis=0)
    macro, micro = (np.mean([getattr(curves, name) for curves in row.curves], axis=0) for name in ("macro", "micro"))
    drawn = {
        "confusion": pack_sparse(cells, counted.astype(np.int64)),
        "reliability": {
            "samples": bins.samples.astype(int).tolist(),
            "confidence": _rounded(bins.confidence / full),
            "accuracy": _rounded(bins.correct / full),
        },
        "precision": pack_shares(np.concatenate([macro, micro, classes.reshape(-1)])),
        "averages": _rounded(
            np.concatenate(
                [
                    [np.mean([curves.macro_average for curves in row.curves])],
                    [np.mean([curves.micro_average for curves in row.curves])],
                    averages,
                ]
            )
        ),
    }
    if row.sweeps:
        drawn["sweeps"] = {
            posthoc: {
                metric: _rounded(np.mean([sweep[posthoc][metric] for sweep in row.sweeps], axis=0)) for metric in first
            }
            for posthoc, first in row.sweeps[0].items()
        }
    return drawn


def _recalls(runs: Sequence[Run], num_classes: int) -> dict[str, list[float | None]]:
    """Mean and sample standard deviation over the seeds, class by class; None for one that the test set lacks."""
    table = np.array([[run.metrics.get(f"recall/{index}", np.nan) for index in range(num_classes)] for run in runs])
    spread = table.std(axis=0, ddof=1) if len(runs) > 1 else np.full(num_classes, np.nan)
    return {"mean": _rounded(table.mean(axis=0)), "std": _rounded(spread)}


def _training(runs: Sequence[Run], missing: list[str]) -> dict[str, Any] | None:
    try:
        return {name: _curve(curve) for name, curve in learning_curves(runs).items()}
    except InputError as error:
        missing.append(f"there are no learning curves of {runs[0].loss}: {error}.")
        return None


def _curve(curve: Curve) -> dict[str, Any]:
    every = curve.epochs == list(range(1, len(curve.epochs) + 1))
    spread = None if curve.std[0] is None else [_significant(value) for value in curve.std]
    return {"epochs": None if every else curve.epochs, "mean": [_significant(v) for v in curve.mean], "std": spread}


def _adjusted(run: Run, missing: list[str]) -> str | None:
    try:
        return corrected_in_training(run.path)
    except (InputError, ValueError) as error:
        missing.append(f"whether {run.loss} corrects in training is not known: {error}.")
        return None


def _mean_and_std(values: Sequence[float]) -> list[float | None]:
    std = round(statistics.stdev(values), DIGITS) if len(values) > 1 else None
    return [round(statistics.fmean(values), DIGITS), std]


def _significant(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else round(value, DIGITS) for value in values.tolist()]
