"""Rank methods over several data sets: average ranks, and which of them differ by more than chance."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, f, rankdata, studentized_range, wilcoxon

from tailwise.errors import InputError
from tailwise.recipes.catalog import Correction, corrections_of
from tailwise.report.comparison import LOWER_IS_BETTER, SIGNIFICANT, by_method_and_seed, check_metric_names, holm
from tailwise.report.evaluation import rows_of
from tailwise.report.runs import Run

Table = NDArray[np.float64]
BlockUnit = Literal["recipe", "seed"]
Pair = tuple[str, str]
Group = tuple[str, ...]
MIN_METHODS = 3
MIN_BLOCKS = 2
# With fewer, no signed-rank test of even a single pair of methods reaches the level of significance.
MIN_RECIPES = 6
# Metrics computed in float32 and in float64 from the same predictions are tied, and differ by less than this.
DECIMALS = 6


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of whether k methods rank alike over N blocks, with the correction of Iman and Davenport.

    Attributes:
        chi_square: Friedman's statistic, corrected for ties.
        f: (N - 1) chi_square / (N (k - 1) - chi_square); infinite where the ranks of all blocks agree.
        degrees: k - 1 and (k - 1) (N - 1), the degrees of freedom of ``f``.
        chi_square_p_value: of ``chi_square``, by its limit for many blocks.
        p_value: of ``f``, but never less than so few blocks can show.
    """

    chi_square: float
    f: float
    degrees: tuple[int, int]
    chi_square_p_value: float
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether the methods do not all rank alike."""
        return self.p_value < SIGNIFICANT


@dataclass(frozen=True)
class Ranking:
    """Methods ranked on every block.

    Attributes:
        metric: what the ranks are of.
        unit: whether a block is a recipe, its seeds averaged, or one seed of a recipe.
        blocks: their names.
        seeds: recipe -> its seeds that count: those with a run of every method.
        average_ranks: method -> average rank over the blocks, 1 for the best; best method first.
        means: method -> recipe -> mean of the metric over the seeds.
        friedman: whether the methods rank alike.
        critical_difference: average ranks that differ by it or more differ by Nemenyi's test.
        p_values: of the signed-rank tests of all pairs, Holm-corrected; None where the blocks are too few for any of
            them to be significant.
        nemenyi_groups: maximal stretches of neighbours in ``average_ranks`` of which no two differ by Nemenyi's test;
            a single one of all methods where Friedman's test finds no difference to begin with.
        wilcoxon_groups: the same by ``p_values``, or None with them.
        notes: what one should know of the runs.
    """

    metric: str
    unit: BlockUnit
    blocks: list[str]
    seeds: dict[str, list[int]]
    average_ranks: dict[str, float]
    means: dict[str, dict[str, float]]
    friedman: Friedman
    critical_difference: float
    p_values: dict[Pair, float] | None
    nemenyi_groups: list[Group]
    wilcoxon_groups: list[Group] | None
    notes: list[str]

    @property
    def methods(self) -> list[str]:
        """Best average rank first."""
        return list(self.average_ranks)


def ranked_rows(
    runs: Sequence[Run], names: Sequence[str] | None = None, corrections: Mapping[str, Correction] | None = None
) -> list[Run]:
    """The runs to rank: of methods as trained, and corrected after training.

    Args:
        runs: as trained, of any recipes.
        names: methods, and corrections of the recipes; by default every method with a run, and every correction that
            each of the recipes has for a method with a run.
        corrections: further rows, by their name.

    Raises:
        InputError: a name is of no method or correction, or a correction cannot be applied to a run.
    """
    added = dict(corrections or {})
    of_recipe: dict[str, list[Run]] = {}
    for run in runs:
        of_recipe.setdefault(run.recipe, []).append(run)
    own = {recipe: corrections_of(recipe) for recipe in of_recipe}
    trained = list(dict.fromkeys(run.loss for run in runs))
    offered = [
        *trained,
        *dict.fromkeys(name for of_one in own.values() for name, row in of_one.items() if row.method in trained),
    ]
    for name in names or ():
        _check_offered(name, offered)
    for correction in added.values():
        _check_offered(correction.method, trained)
    if names is None:
        names = [name for name in offered if name in trained or all(name in of_one for of_one in own.values())]
    rows = list(dict.fromkeys((*names, *added)))
    return [run for recipe, found in of_recipe.items() for run in rows_of(found, rows, own[recipe] | added)]


def rank(runs: Sequence[Run], metric: str = "balanced_accuracy", unit: BlockUnit | None = None) -> Ranking:
    """Rank the methods on every block and test whether the ranks differ.

    Seeds of one recipe share their data, so they are not independent data sets: with ``MIN_RECIPES`` recipes or more,
    blocks are recipes, in which each method has the mean over the seeds. With fewer, blocks are the seeds of the
    recipes, and the tests then speak of those recipes alone.

    Args:
        runs: of at least three methods, each with a run of every recipe; seeds of which not all methods have a run are
            left out.
        metric: of the test set.
        unit: what the blocks are; by default as above.

    Raises:
        InputError: the metric is unknown or missing, there are too few methods or blocks, a method has no run of a
            recipe, or the runs of a recipe do not belong together.

    Source: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006.
    """
    check_metric_names([metric])
    methods = list(dict.fromkeys(run.loss for run in runs))
    if len(methods) < MIN_METHODS:
        raise InputError(
            f"a ranking takes at least {MIN_METHODS} methods, got {', '.join(methods) or 'none'}; "
            "`tailwise compare` shows two side by side"
        )
    of_recipe: dict[str, list[Run]] = {}
    for run in runs:
        if not math.isfinite(run.metrics.get(metric, math.nan)):
            raise InputError(f"{run.path} has no value of {metric}; rank by another --metric, or leave the run out")
        of_recipe.setdefault(run.recipe, []).append(run)
    seeds: dict[str, list[int]] = {}
    values: dict[tuple[str, int], list[float]] = {}
    notes: list[str] = []
    for recipe, found in of_recipe.items():
        by_method = by_method_and_seed(found)
        seeds[recipe], left_out = _common_seeds(recipe, methods, by_method)
        notes += left_out
        for seed in seeds[recipe]:
            values[recipe, seed] = [by_method[method][seed].metrics[metric] for method in methods]
    notes += dict.fromkeys(note for run in runs for note in run.notes)
    if unit is None:
        unit = "recipe" if len(seeds) >= MIN_RECIPES else "seed"
    of_seeds = {recipe: np.array([values[recipe, seed] for seed in seeds[recipe]]) for recipe in seeds}
    means = {recipe: table.mean(axis=0) for recipe, table in of_seeds.items()}
    if unit == "recipe":
        names, table = list(means), np.stack(list(means.values()))
    else:
        names, table = [f"{recipe} seed {seed}" for recipe, seed in values], np.concatenate(list(of_seeds.values()))
    if len(table) < MIN_BLOCKS:
        raise InputError(
            f"a ranking takes at least {MIN_BLOCKS} blocks, got {names[0]} alone; add runs of other recipes"
            f"{' or seeds' if unit == 'seed' else ', or take seeds as blocks'}"
        )

    table = table.round(DECIMALS)
    ranks = block_ranks(table, lower_is_better=metric in LOWER_IS_BETTER)
    average = dict(zip(methods, ranks.mean(axis=0).tolist(), strict=True))
    order = sorted(methods, key=lambda method: average[method])
    friedman = friedman_test(ranks)
    difference = critical_difference(len(methods), len(table))
    p_values = pairwise_p_values(methods, table)
    return Ranking(
        metric=metric,
        unit=unit,
        blocks=names,
        seeds=seeds,
        average_ranks={method: average[method] for method in order},
        means={m: {recipe: float(means[recipe][methods.index(m)]) for recipe in means} for m in order},
        friedman=friedman,
        critical_difference=difference,
        p_values=p_values,
        nemenyi_groups=indistinct_groups(
            order, lambda a, b: friedman.significant and abs(average[a] - average[b]) >= difference
        ),
        wilcoxon_groups=None
        if p_values is None
        else indistinct_groups(order, lambda a, b: p_values[_pair(methods, a, b)] < SIGNIFICANT),
        notes=notes,
    )


def block_ranks(table: Table, lower_is_better: bool = False) -> Table:
    """Ranks of (N, k) values within each of N blocks: 1 for the best, tied values share the mean of their ranks."""
    return np.asarray(rankdata(table if lower_is_better else -table, axis=1), dtype=np.float64)


def friedman_test(ranks: Table) -> Friedman:
    """Friedman's test on the ranks (N, k) of k methods within each of N blocks.

    chi_square = 12 N / (k (k + 1)) * (sum_j R_j^2 - k (k + 1)^2 / 4) / (1 - sum(t^3 - t) / (N (k^3 - k))), with the
    average ranks R_j and the numbers t of values in each tie.

    The distribution of f is an approximation that does not hold for few blocks: where the blocks all agree it makes p 0
    for two of them already. If the methods do not differ, any order of the ranks of each block is as likely as another,
    and a renaming of the methods changes no statistic; so no table of ranks has an exact p-value below the number of
    orders of one block over the product of those of all, which is the least that is given here.

    Raises:
        ValueError: the ranks are not of at least two blocks and two methods.

    Source: Friedman, "The use of ranks to avoid the assumption of normality", 1937; Iman and Davenport,
    "Approximations of the critical region of the Friedman statistic", 1980.
    """
    if ranks.ndim != 2 or min(ranks.shape) < 2:
        raise ValueError(f"ranks must be (N, k) of at least two blocks and two methods, got shape {ranks.shape}")
    num_blocks, num_methods = ranks.shape
    ties = [np.unique(block, return_counts=True)[1].tolist() for block in ranks]
    degrees = (num_methods - 1, (num_methods - 1) * (num_blocks - 1))
    untied = 1 - sum(t**3 - t for block in ties for t in block) / (num_blocks * (num_methods**3 - num_methods))
    if untied == 0:
        return Friedman(0.0, 0.0, degrees, 1.0, 1.0)
    spread = float(np.square(ranks.mean(axis=0) - (num_methods + 1) / 2).sum())
    chi_square = 12 * num_blocks / (num_methods * (num_methods + 1)) * spread / untied
    left = num_blocks * (num_methods - 1) - chi_square
    agree = left < 1e-9 * num_blocks * num_methods
    statistic = math.inf if agree else (num_blocks - 1) * chi_square / left
    orders = [math.factorial(num_methods) // math.prod(map(math.factorial, block)) for block in ties]
    least = max(orders) / math.prod(orders)
    p_value = 0.0 if agree else float(f.sf(statistic, *degrees))
    return Friedman(chi_square, statistic, degrees, float(chi2.sf(chi_square, degrees[0])), max(p_value, least))


def critical_difference(num_methods: int, num_blocks: int) -> float:
    """Nemenyi's critical difference of average ranks, q sqrt(k (k + 1) / (6 N)).

    q is the quantile of the studentised range of k values with infinite degrees of freedom, over sqrt(2).

    Source: Nemenyi, "Distribution-free multiple comparisons", 1963.
    """
    q = float(studentized_range.ppf(1 - SIGNIFICANT, num_methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(num_methods * (num_methods + 1) / (6 * num_blocks))


def blocks_for_wilcoxon(num_methods: int) -> int:
    """The fewest blocks N with which one of the signed-rank tests of all pairs can be significant.

    A test of N differences has no two-sided p-value below 2^(1 - N), which Holm's correction multiplies by the number
    of pairs at first.
    """
    num_blocks = MIN_BLOCKS
    while math.comb(num_methods, 2) * 2.0 ** (1 - num_blocks) >= SIGNIFICANT:
        num_blocks += 1
    return num_blocks


def pairwise_p_values(methods: Sequence[str], table: Table) -> dict[Pair, float] | None:
    """Wilcoxon's signed-rank tests of all pairs of methods, Holm-corrected.

    Unlike those of Nemenyi's test they do not depend on which other methods are in the ranking, but for the correction.

    Args:
        methods: (k,) names.
        table: (N, k) values on each block.

    Returns:
        p-value of each pair, the methods in the order given; None where the blocks are too few to show any difference.

    Source: Benavoli, Corani, Mangili, "Should We Really Use Post-Hoc Tests Based on Mean-Ranks?", JMLR 2016.
    """
    if len(table) < blocks_for_wilcoxon(len(methods)):
        return None
    p_values: dict[Pair, float | None] = {}
    for (a, of_a), (b, of_b) in itertools.combinations(zip(methods, table.T, strict=True), 2):
        differences = of_a - of_b
        p_values[a, b] = float(wilcoxon(differences, zero_method="zsplit").pvalue) if differences.any() else 1.0
    return {pair: p for pair, p in holm(p_values).items() if p is not None}


def indistinct_groups(methods: Sequence[str], differ: Callable[[str, str], bool]) -> list[Group]:
    """Maximal stretches of two or more neighbours of which no two differ."""
    groups: list[Group] = []
    last_end = 0
    for start, _ in enumerate(methods):
        end = start + 1
        while end < len(methods) and not any(differ(method, methods[end]) for method in methods[start:end]):
            end += 1
        if end - start > 1 and end > last_end:
            groups.append(tuple(methods[start:end]))
            last_end = end
    return groups


def _check_offered(method: str, offered: Sequence[str]) -> None:
    if method not in offered:
        near = difflib.get_close_matches(method, offered, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(offered)}"
        raise InputError(f"no run is of a method {method!r}: {hint}")


def _common_seeds(
    recipe: str, methods: Sequence[str], by_method: Mapping[str, Mapping[int, Run]]
) -> tuple[list[int], list[str]]:
    """The seeds of a recipe that every method has a run of, and a sentence about each that is left out."""
    missing = [method for method in methods if method not in by_method]
    if missing:
        raise InputError(
            f"{recipe} has no finished run of {', '.join(missing)}: train {'it' if len(missing) == 1 else 'them'}, "
            "choose methods that every recipe has with --loss, or leave that recipe's folder out"
        )
    complete, left_out = [], []
    for seed in sorted(set().union(*by_method.values())):
        lacking = [method for method in methods if seed not in by_method[method]]
        if lacking:
            left_out.append(f"Left out: {recipe} seed {seed}, which has no finished run of {', '.join(lacking)}.")
        else:
            complete.append(seed)
    if not complete:
        raise InputError(
            f"{recipe} has no seed of which every method has a finished run; train the methods on the same seeds, or "
            "choose methods with --loss"
        )
    return complete, left_out


def _pair(methods: Sequence[str], a: str, b: str) -> Pair:
    return (a, b) if methods.index(a) < methods.index(b) else (b, a)
