"""Compare methods over seeds: means, spread, and whether a difference is more than the luck of the seeds."""

from __future__ import annotations

import difflib
import statistics
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from scipy.stats import ttest_rel

from tailwise.errors import InputError
from tailwise.report.runs import Run

BINARY_METRICS = ("f1", "precision", "recall", "g_mean", "balanced_accuracy", "auc", "ap", "accuracy")
MULTICLASS_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "g_mean",
    "accuracy_many",
    "accuracy_medium",
    "accuracy_few",
    "auc",
)
LOWER_IS_BETTER = ("ece",)
SIGNIFICANT = 0.05
Key = TypeVar("Key")


@dataclass(frozen=True)
class Cell:
    """One metric of one method.

    mean, std: over the seeds; the sample standard deviation, None for one seed.
    p_value: of the paired t-test against the reference over their common seeds, Holm-corrected over the methods; None
        for the reference itself, where fewer than two seeds are common, and where the difference has no variance.
    best: whether no other method has a better mean.
    """

    mean: float
    std: float | None
    p_value: float | None
    best: bool


@dataclass(frozen=True)
class Comparison:
    """Methods of one recipe in rows, metrics in columns."""

    recipe: str
    model: str
    num_parameters: dict[str, int]
    epochs: int
    seeds: dict[str, list[int]]
    metrics: list[str]
    cells: dict[str, dict[str, Cell]]
    commands: list[str]
    notes: list[str]

    @property
    def reference(self) -> str:
        """The method that the others are tested against: the first."""
        return next(iter(self.cells))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def check_metric_names(names: Sequence[str]) -> None:
    """Refuse what no run can have, before anything is trained for it.

    Raises:
        InputError: a name is not that of a metric.
    """
    known = tuple(dict.fromkeys((*BINARY_METRICS, *MULTICLASS_METRICS, "mcc", "ece")))
    for name in names:
        if name not in known and not name.startswith("recall/"):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}, recall/<class>"
            raise InputError(f"no metric is named {name!r}: {hint}")


def compare(runs: Sequence[Run], metrics: Sequence[str] | None = None) -> Comparison:
    """Group runs of one recipe by method, in the order in which the methods first occur.

    Args:
        runs: finished runs of one recipe; the first one's method is the reference.
        metrics: columns; by default those usual for two or for more classes.

    Raises:
        InputError: there is no run, the runs are of different recipes, data or networks, a metric is unknown, or two
            runs are of one method and seed.
    """
    if not runs:
        raise InputError("there are no runs to compare; `tailwise compare` makes some")
    by_method = by_method_and_seed(runs)
    columns = _columns(runs, metrics)
    reference = next(iter(by_method))
    cells: dict[str, dict[str, Cell]] = {method: {} for method in by_method}
    for metric in columns:
        values = {
            method: {seed: run.metrics[metric] for seed, run in seeds.items()} for method, seeds in by_method.items()
        }
        p_values = holm({m: paired_p_value(values[reference], v) for m, v in values.items() if m != reference})
        means = {method: statistics.fmean(v.values()) for method, v in values.items()}
        best = min(means.values()) if metric in LOWER_IS_BETTER else max(means.values())
        for method, of_seed in values.items():
            std = statistics.stdev(of_seed.values()) if len(of_seed) > 1 else None
            cells[method][metric] = Cell(means[method], std, p_values.get(method), means[method] == best)
    first = runs[0]
    return Comparison(
        recipe=first.recipe,
        model=first.model,
        num_parameters={method: next(iter(of_seed.values())).num_parameters for method, of_seed in by_method.items()},
        epochs=first.epochs,
        seeds={method: sorted(seeds) for method, seeds in by_method.items()},
        metrics=columns,
        cells=cells,
        commands=list(dict.fromkeys(run.command for run in runs)),
        notes=list(dict.fromkeys(note for run in runs for note in run.notes)),
    )


def by_method_and_seed(runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
    """Runs of one recipe by method and seed, the methods in the order in which they first occur.

    Raises:
        InputError: the runs are of different recipes, data or networks, or two are of one method and seed.
    """
    by_method: dict[str, dict[int, Run]] = {}
    for run in runs:
        for name in ("recipe", "class_counts", "model", "epochs"):
            if getattr(run, name) != getattr(runs[0], name):
                raise InputError(f"{run.path} and {runs[0].path} differ in {name}: compare runs of one recipe only")
        twin = by_method.setdefault(run.loss, {}).setdefault(run.seed, run)
        if twin is not run:
            raise InputError(f"{run.path} and {twin.path} are both of {run.loss} with seed {run.seed}: leave one out")
    return by_method


def paired_p_value(reference: dict[int, float], other: dict[int, float]) -> float | None:
    """Two-sided paired t-test over the seeds that both have; None for fewer than two.

    Where there is no difference p is 1; where it is the same for every seed the test has no variance to judge it by,
    and the answer is None.
    """
    common = sorted(reference.keys() & other.keys())
    if len(common) < 2:
        return None
    differences = {other[seed] - reference[seed] for seed in common}
    if len(differences) == 1:
        return 1.0 if differences == {0.0} else None
    with warnings.catch_warnings():
        # Nearly constant differences lose digits in the test's variance; its p-value is then near 0 all the same.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = ttest_rel([other[seed] for seed in common], [reference[seed] for seed in common])
    return float(result.pvalue)


def holm(p_values: dict[Key, float | None]) -> dict[Key, float | None]:
    """Holm's step-down correction over those that are not None.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    tested = sorted(((p, key) for key, p in p_values.items() if p is not None), key=lambda item: item[0])
    corrected: dict[Key, float | None] = dict.fromkeys(p_values)
    highest = 0.0
    for rank, (p, key) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        corrected[key] = highest
    return corrected


def _columns(runs: Sequence[Run], metrics: Sequence[str] | None) -> list[str]:
    known = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    if metrics is None:
        usual = BINARY_METRICS if len(runs[0].class_counts) == 2 else MULTICLASS_METRICS
        return [name for name in usual if name in known]
    for name in metrics:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            shown = ", ".join(metric for metric in known if not metric.startswith("recall/"))
            hint = f"did you mean {near[0]!r}?" if near else f"there are {shown}"
            raise InputError(f"no metric of these runs is named {name!r}: {hint}")
    return list(dict.fromkeys(metrics))
