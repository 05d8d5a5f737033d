"""Ranks over data sets: against scipy, Demšar's paper, naive counting and brute force."""

from __future__ import annotations

import io
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import friedmanchisquare, wilcoxon

from run_cases import run_of
from tailwise.errors import InputError
from tailwise.recipes.catalog import load_recipe, parse_corrections
from tailwise.report.ranking import (
    BlockUnit,
    Ranking,
    block_ranks,
    blocks_for_wilcoxon,
    critical_difference,
    friedman_test,
    indistinct_groups,
    pairwise_p_values,
    rank,
    ranked_rows,
)
from tailwise.report.ranking_table import findings, ranking_table
from tailwise.report.runs import Run

Table = NDArray[np.float64]
# AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on fourteen data sets: Demšar (2006), table 6.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.9749],  # both published as .975, ranked second and third
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def runs_of(table: Table, num_seeds: int = 1, metric: str = "balanced_accuracy") -> list[Run]:
    """A row of the table for each seed of each recipe, a column for each of the methods m0, m1, ..."""
    return [
        replace(run_of(f"data-{row // num_seeds}", f"m{column}", row % num_seeds, 0.5), metrics={metric: float(value)})
        for (row, column), value in np.ndenumerate(table)
    ]


def random_table(num_blocks: int, num_methods: int, seed: int, with_ties: bool = False) -> Table:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=num_methods) / 2 + rng.normal(size=(num_blocks, num_methods))
    return np.asarray(table.round(0 if with_ties else 6), dtype=np.float64)


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_rank_is_one_more_than_the_better_values_and_half_of_the_other_tied_ones(lower_is_better: bool) -> None:
    table = random_table(30, 6, 0, with_ties=True)
    sign = -1 if lower_is_better else 1
    naive = [
        [1 + sum(sign * o > sign * value for o in row) + (sum(o == value for o in row) - 1) / 2 for value in row]
        for row in table
    ]
    assert block_ranks(table, lower_is_better) == pytest.approx(np.array(naive))


@pytest.mark.parametrize("with_ties", [False, True])
@pytest.mark.parametrize(("num_blocks", "num_methods"), [(4, 3), (15, 5), (6, 27)])
def test_friedman_statistic_is_scipys(num_blocks: int, num_methods: int, with_ties: bool) -> None:
    table = random_table(num_blocks, num_methods, 1, with_ties)
    test = friedman_test(block_ranks(table))
    expected = friedmanchisquare(*table.T)
    assert test.chi_square == pytest.approx(expected.statistic)
    assert test.chi_square_p_value == pytest.approx(expected.pvalue)


def test_ranks_and_critical_difference_of_demsars_example_are_the_published_ones() -> None:
    ranking = rank(runs_of(DEMSAR))
    assert ranking.unit == "recipe"
    published = {"m3": 1.964, "m1": 2.000, "m2": 2.893, "m0": 3.143}
    assert ranking.average_ranks == pytest.approx(published, abs=5e-4)
    assert ranking.methods == list(published)
    assert ranking.critical_difference == pytest.approx(1.25, abs=0.005)
    assert ranking.friedman.degrees == (3, 39)
    # 9.28 is published without the correction for ties, which are three pairs and one of all four methods.
    untied = 1 - (3 * (2**3 - 2) + (4**3 - 4)) / (14 * (4**3 - 4))
    assert ranking.friedman.chi_square * untied == pytest.approx(9.28, abs=0.01)
    assert ranking.friedman.significant


@pytest.mark.parametrize(
    ("num_methods", "q"),
    list(enumerate([1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164], start=2)),
)
def test_critical_difference_has_the_quantile_of_demsars_table(num_methods: int, q: float) -> None:
    scaled = critical_difference(num_methods, 20) / math.sqrt(num_methods * (num_methods + 1) / 120)
    assert scaled == pytest.approx(q, abs=1e-3)


def test_f_statistic_is_that_of_a_two_way_analysis_of_variance_of_the_ranks() -> None:
    ranks = block_ranks(random_table(9, 4, 2, with_ties=True))
    num_blocks, num_methods = ranks.shape
    of_methods = num_blocks * np.square(ranks.mean(axis=0) - ranks.mean()).sum() / (num_methods - 1)
    residual = ranks - ranks.mean(axis=0) - ranks.mean(axis=1, keepdims=True) + ranks.mean()
    of_errors = np.square(residual).sum() / ((num_methods - 1) * (num_blocks - 1))
    assert friedman_test(ranks).f == pytest.approx(of_methods / of_errors)


@pytest.mark.parametrize(("num_blocks", "first"), [(2, [1, 2, 3]), (3, [1, 2, 3]), (4, [1, 2, 3]), (3, [1.5, 1.5, 3])])
def test_p_value_of_blocks_that_agree_is_that_of_all_orders(num_blocks: int, first: list[float]) -> None:
    orders = sorted(set(itertools.permutations(first)))
    tables = [np.array(blocks) for blocks in itertools.product(orders, repeat=num_blocks)]
    spreads = [np.square(table.mean(axis=0) - 2).sum() for table in tables]
    agreeing = np.array([first] * num_blocks)
    exact = np.mean([spread >= np.square(agreeing.mean(axis=0) - 2).sum() - 1e-9 for spread in spreads])
    test = friedman_test(agreeing)
    assert test.p_value == pytest.approx(exact)
    assert test.f == math.inf


def test_methods_that_are_always_tied_do_not_differ() -> None:
    test = friedman_test(np.full((5, 4), 2.5))
    assert (test.chi_square, test.f, test.p_value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("ranks", [np.ones((1, 3)), np.ones((3, 1)), np.ones(3)])
def test_ranks_of_one_block_or_one_method_are_refused(ranks: Table) -> None:
    with pytest.raises(ValueError, match="at least two blocks and two methods, got shape"):
        friedman_test(ranks)


@pytest.mark.parametrize("num_methods", [2, 3, 5, 27, 40])
def test_wilcoxon_needs_the_first_number_of_blocks_that_can_be_significant(num_methods: int) -> None:
    methods = [f"m{number}" for number in range(num_methods)]
    steps = np.arange(num_methods)
    enough = blocks_for_wilcoxon(num_methods)
    # Every method is better than the one before it on every block, by as many different amounts as there are blocks.
    table = np.outer(np.linspace(1, 2, enough), steps)
    p_values = pairwise_p_values(methods, table)
    assert p_values is not None
    assert max(p_values.values()) < 0.05
    assert pairwise_p_values(methods, table[:-1]) is None
    pairs = num_methods * (num_methods - 1) / 2
    assert wilcoxon(table[:-1, 0] - table[:-1, 1]).pvalue * pairs >= 0.05


def test_pairwise_p_values_are_scipys_corrected_step_by_step() -> None:
    table = random_table(12, 4, 3)
    p_values = pairwise_p_values("abcd", table)
    assert p_values is not None
    pairs = list(itertools.combinations(range(4), 2))
    raw = {pair: wilcoxon(table[:, pair[0]], table[:, pair[1]]).pvalue for pair in pairs}
    for i, j in pairs:
        smaller = [pair for pair in pairs if raw[pair] <= raw[i, j]]
        expected = max(raw[pair] * sum(raw[other] >= raw[pair] for other in pairs) for pair in smaller)
        assert p_values["abcd"[i], "abcd"[j]] == pytest.approx(min(1.0, expected))


def test_methods_with_the_same_values_have_p_1() -> None:
    table = random_table(12, 3, 4)
    table[:, 1] = table[:, 0]
    p_values = pairwise_p_values("abc", table)
    assert p_values is not None
    assert p_values["a", "b"] == 1.0
    assert p_values["a", "c"] == p_values["b", "c"]


@pytest.mark.parametrize("seed", range(8))
def test_groups_are_the_maximal_stretches_without_a_difference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    methods = [f"m{number}" for number in range(9)]
    differing = {frozenset(pair) for pair in itertools.combinations(methods, 2) if rng.random() < 0.3}
    stretches = [
        tuple(methods[start:end])
        for start, end in itertools.combinations(range(10), 2)
        if end - start > 1
        and not any(frozenset(pair) in differing for pair in itertools.combinations(methods[start:end], 2))
    ]
    expected = [one for one in stretches if not any(set(one) < set(other) for other in stretches)]
    assert indistinct_groups(methods, lambda a, b: frozenset((a, b)) in differing) == expected


@pytest.mark.parametrize("seed", range(4))
def test_nemenyi_groups_span_less_than_the_critical_difference(seed: int) -> None:
    ranking = rank(runs_of(random_table(20, 8, seed)))
    assert ranking.friedman.significant
    together = {pair for group in ranking.nemenyi_groups for pair in itertools.combinations(group, 2)}
    for a, b in itertools.combinations(ranking.methods, 2):
        close = ranking.average_ranks[b] - ranking.average_ranks[a] < ranking.critical_difference
        assert ((a, b) in together) == close


def test_wilcoxon_groups_have_no_pair_that_differs() -> None:
    ranking = rank(runs_of(random_table(20, 8, 0)))
    assert ranking.p_values is not None
    assert ranking.wilcoxon_groups
    for group in ranking.wilcoxon_groups:
        for a, b in itertools.combinations(group, 2):
            assert ranking.p_values[(a, b) if (a, b) in ranking.p_values else (b, a)] >= 0.05


def test_without_a_difference_by_friedmans_test_all_methods_are_one_group() -> None:
    ranking = rank(runs_of(np.array([[1, 2, 3], [2, 3, 1], [3, 1, 2.0]])))
    assert ranking.friedman.p_value == 1
    assert ranking.nemenyi_groups == [("m0", "m1", "m2")]
    assert "Nemenyi's test is not made where Friedman's finds no difference." in findings(ranking)


def test_six_recipes_are_blocks_with_their_seeds_averaged() -> None:
    table = random_table(12, 3, 5)
    ranking = rank(runs_of(table, num_seeds=2))
    means = table.reshape(6, 2, 3).mean(axis=1)
    assert ranking.blocks == [f"data-{number}" for number in range(6)]
    expected = block_ranks(means).mean(axis=0)
    assert ranking.average_ranks == pytest.approx({f"m{number}": expected[number] for number in range(3)})
    assert ranking.means["m2"]["data-4"] == pytest.approx(means[4, 2])
    assert findings(ranking)[0] == "6 blocks, one for each recipe: means over 2 seeds."


def test_fewer_recipes_have_their_seeds_as_blocks_and_the_report_says_what_that_means() -> None:
    table = random_table(10, 3, 6)
    ranking = rank(runs_of(table, num_seeds=2))
    assert ranking.blocks[:3] == ["data-0 seed 0", "data-0 seed 1", "data-1 seed 0"]
    expected = block_ranks(table).mean(axis=0)
    assert ranking.average_ranks == pytest.approx({f"m{number}": expected[number] for number in range(3)})
    said = findings(ranking)[0]
    assert said.startswith("10 blocks, one for each seed of 5 recipes. Seeds of a recipe share their data")
    assert said.endswith("the tests speak of new seeds of these recipes, not of other data.")


def test_unit_of_the_blocks_can_be_chosen() -> None:
    runs = runs_of(random_table(12, 3, 7), num_seeds=2)
    assert len(rank(runs, unit="seed").blocks) == 12
    assert len(rank(runs[: 3 * 6], unit="recipe").blocks) == 3


def test_lowest_calibration_error_has_rank_1() -> None:
    table = random_table(8, 3, 8)
    assert rank(runs_of(table, metric="ece"), "ece").methods == rank(runs_of(-table)).methods
    assert "lower is better" in str(ranking_table(rank(runs_of(table, metric="ece"), "ece")).title)


def test_order_of_the_runs_changes_nothing() -> None:
    runs = runs_of(random_table(8, 5, 9), num_seeds=2)
    one, other = rank(runs), rank(runs[::-1])
    assert one.average_ranks == pytest.approx(other.average_ranks)
    assert one.friedman.p_value == pytest.approx(other.friedman.p_value)
    assert one.nemenyi_groups == other.nemenyi_groups


def test_values_that_differ_by_rounding_alone_are_tied() -> None:
    values = [float(np.float32(0.9427323)), 0.9427323, 0.5]
    ranking = rank(runs_of(np.array([values, values])))
    assert ranking.average_ranks == {"m0": 1.5, "m1": 1.5, "m2": 3.0}


def test_seed_that_not_every_method_has_is_left_out_and_named() -> None:
    runs = [run for run in runs_of(random_table(6, 3, 10), num_seeds=3) if (run.loss, run.seed) != ("m1", 2)]
    ranking = rank([*runs, run_of("data-0", "m0", 7, 0.5)])
    assert ranking.seeds == {"data-0": [0, 1], "data-1": [0, 1]}
    assert len(ranking.blocks) == 4
    assert "Left out: data-0 seed 2, which has no finished run of m1." in ranking.notes
    assert "Left out: data-0 seed 7, which has no finished run of m1, m2." in ranking.notes


TABLE = np.array([[0.1, 0.2, 0.3], [0.2, 0.3, 0.4]])


@pytest.mark.parametrize(
    ("runs", "metric", "unit", "message"),
    [
        ([], "f1", None, "at least 3 methods, got none"),
        (runs_of(TABLE[:, :2]), "balanced_accuracy", None, "at least 3 methods, got m0, m1; `tailwise compare`"),
        (runs_of(TABLE[:1]), "balanced_accuracy", None, "at least 2 blocks, got data-0 seed 0 alone; .* or seeds"),
        (runs_of(TABLE, 2), "balanced_accuracy", "recipe", "got data-0 alone; .* or take seeds as blocks"),
        (
            runs_of(TABLE)[:-1],
            "balanced_accuracy",
            None,
            "data-1 has no finished run of m2: train it, .* --loss",
        ),
        (runs_of(TABLE)[:-2], "balanced_accuracy", None, "data-1 has no finished run of m1, m2: train them"),
        (
            [run_of("a", "m0", 0, 0.1), run_of("a", "m1", 1, 0.1), run_of("a", "m2", 2, 0.1)],
            "balanced_accuracy",
            None,
            "a has no seed of which every method has a finished run; train the methods on the same seeds",
        ),
        (runs_of(TABLE), "ece", None, "data-0/m0/seed-0 has no value of ece; rank by another --metric"),
        (runs_of(TABLE * math.nan), "balanced_accuracy", None, "has no value of balanced_accuracy"),
        (runs_of(TABLE), "balanced", None, "no metric is named 'balanced'"),
        (runs_of(TABLE) + runs_of(TABLE), "balanced_accuracy", None, "are both of m0 with seed 0: leave one out"),
        (
            [replace(run, epochs=run.seed) for run in runs_of(TABLE, 2)],
            "balanced_accuracy",
            None,
            "differ in epochs: compare runs of one recipe only",
        ),
    ],
)
def test_what_cannot_be_ranked_is_named(runs: list[Run], metric: str, unit: BlockUnit | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rank(runs, metric, unit)


def test_rows_are_by_default_the_methods_and_nothing_else_where_the_recipe_is_not_of_the_package() -> None:
    runs = runs_of(TABLE)
    assert ranked_rows(runs) == runs
    assert {run.loss for run in ranked_rows(runs, ["m2", "m0"])} == {"m0", "m2"}


@pytest.mark.parametrize(
    ("names", "corrections", "message"),
    [
        (["m1", "method1"], [], "no run is of a method 'method1': there are m0, m1, m2"),
        (["m1", "m22"], [], "no run is of a method 'm22': did you mean 'm2'"),
        (None, ["ce=rebalance"], "no run is of a method 'ce': there are m0, m1, m2"),
    ],
)
def test_row_without_a_run_is_named(names: list[str] | None, corrections: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ranked_rows(runs_of(TABLE), names, parse_corrections(corrections))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["rebalance"], "--correction takes METHOD=POSTHOC, got 'rebalance'; for example ce=logit-adjustment"),
        (["=rebalance"], "--correction takes METHOD=POSTHOC"),
        (["ce="], "--correction takes METHOD=POSTHOC"),
        (["ce=rebalance", "ce=rebalance"], "--correction ce=rebalance stands twice; give it once"),
        (["ce=nothing"], "--correction ce=nothing: posthoc: there is no 'nothing'; there are .*rebalance"),
        (["ce=cost-sensitive"], "cost-sensitive needs costs, which has no default; give a correction"),
    ],
)
def test_correction_that_cannot_be_read_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_corrections(texts)


def test_correction_is_that_of_a_recipe_with_its_defaults() -> None:
    of_recipe = load_recipe("short/mnist-lt-if100").corrections["ce+la"]
    (name, correction), *_ = parse_corrections(["ce=logit-adjustment"]).items()
    assert name == "ce+logit-adjustment"
    assert correction.method == of_recipe.method
    assert correction.arguments == of_recipe.arguments


def rendered(ranking: Ranking, width: int) -> str:
    output = io.StringIO()
    Console(file=output, width=width).print(ranking_table(ranking))
    return output.getvalue()


def test_table_has_the_best_method_first_with_its_rank_and_means() -> None:
    shown = rendered(rank(runs_of(TABLE)), 100)
    rows = [line.split("│")[1:-1] for line in shown.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["1", "m2", "1.00", "30.00", "40.00"],
        ["2", "m1", "2.00", "20.00", "30.00"],
        ["3", "m0", "3.00", "10.00", "20.00"],
    ]


def test_narrow_table_loses_no_digit() -> None:
    assert "…" not in rendered(rank(runs_of(random_table(12, 4, 0))), 80)


def test_findings_name_places_of_groups_by_both_tests() -> None:
    table = np.outer(np.linspace(1, 2, 12), [1.0, 2.0, 3.0, 4.0])
    _, friedman, nemenyi, signed_rank = findings(rank(runs_of(table)))
    assert friedman.startswith("Friedman's test with the correction of Iman and Davenport: F(3, 33) = ∞, p = ")
    assert friedman.endswith("the methods do not all rank alike.")
    assert nemenyi.startswith("Nemenyi's test, critical difference 1.35. No difference shown at the 0.05 level within")
    assert nemenyi.endswith("the places 1-2, 2-3, 3-4.")
    assert signed_rank.endswith("6 of 6 pairs differ. All methods differ at the 0.05 level.")


def test_findings_say_when_there_are_too_few_blocks() -> None:
    table = np.outer([1.0, 2.0], np.arange(27.0))
    _, _, nemenyi, signed_rank = findings(rank(runs_of(table)))
    assert "critical difference 29.34, more than ranks can differ by: too few blocks for so many methods." in nemenyi
    assert nemenyi.endswith("within the places 1-27.")
    assert signed_rank.endswith("need at least 14 blocks for 27 methods.")
