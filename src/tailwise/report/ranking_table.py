"""A ranking as a table in the terminal, and in words."""

from __future__ import annotations

import math

from rich.table import Table

from tailwise.report.comparison import LOWER_IS_BETTER, SIGNIFICANT
from tailwise.report.ranking import Group, Ranking, blocks_for_wilcoxon


def ranking_table(ranking: Ranking) -> Table:
    """For the terminal: best average rank first, with the mean on each recipe."""
    table = Table(title=f"{title(ranking)}; means in percent", title_style="bold")
    table.title_justify = "left"
    table.add_column("", justify="right")
    table.add_column("method", no_wrap=True)
    table.add_column("average rank", justify="right", overflow="fold")
    for recipe in ranking.seeds:
        table.add_column(recipe, justify="right", overflow="fold")
    for place, (method, average) in enumerate(ranking.average_ranks.items(), start=1):
        means = (f"{100 * mean:.2f}" for mean in ranking.means[method].values())
        table.add_row(f"{place}", method, f"{average:.2f}", *means)
    return table


def title(ranking: Ranking) -> str:
    """What is ranked."""
    direction = ", lower is better" if ranking.metric in LOWER_IS_BETTER else ""
    metric = ranking.metric.replace("_", " ")
    return f"Average ranks of {len(ranking.average_ranks)} methods by {metric}{direction}"


def findings(ranking: Ranking) -> list[str]:
    """What the blocks are, and what each test says, a sentence or two for each."""
    return [blocks_sentence(ranking), friedman_sentence(ranking), nemenyi_sentence(ranking), wilcoxon_sentence(ranking)]


def blocks_sentence(ranking: Ranking) -> str:
    """What the blocks are and what that means for the tests."""
    if ranking.unit == "recipe":
        numbers = [len(seeds) for seeds in ranking.seeds.values()]
        seeds = _count(numbers[0], "seed") if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)} seeds"
        return f"{len(ranking.blocks)} blocks, one for each recipe: means over {seeds}."
    recipes = _count(len(ranking.seeds), "recipe")
    these = "this recipe" if len(ranking.seeds) == 1 else "these recipes"
    return (
        f"{len(ranking.blocks)} blocks, one for each seed of {recipes}. Seeds of a recipe share their data and are no "
        f"independent data sets: the tests speak of new seeds of {these}, not of other data."
    )


def friedman_sentence(ranking: Ranking) -> str:
    """Whether the methods rank alike."""
    test = ranking.friedman
    value = "∞" if math.isinf(test.f) else f"{test.f:.2f}"
    outcome = "the methods do not all rank alike" if test.significant else "no difference between the methods is shown"
    return (
        "Friedman's test with the correction of Iman and Davenport: "
        f"F({test.degrees[0]}, {test.degrees[1]}) = {value}, p = {test.p_value:.2g}: {outcome}."
    )


def nemenyi_sentence(ranking: Ranking) -> str:
    """Which methods do not differ by Nemenyi's test."""
    if not ranking.friedman.significant:
        return "Nemenyi's test is not made where Friedman's finds no difference."
    difference = ranking.critical_difference
    size = f"critical difference {difference:.2f}"
    if difference > len(ranking.methods) - 1:
        size += ", more than ranks can differ by: too few blocks for so many methods"
    return f"Nemenyi's test, {size}. {_groups(ranking, ranking.nemenyi_groups)}"


def wilcoxon_sentence(ranking: Ranking) -> str:
    """Which methods do not differ by the signed-rank tests."""
    if ranking.wilcoxon_groups is None or ranking.p_values is None:
        needed = blocks_for_wilcoxon(len(ranking.methods))
        return (
            f"Wilcoxon's signed-rank tests of all pairs, Holm-corrected, need at least {needed} blocks for "
            f"{len(ranking.methods)} methods."
        )
    differing = sum(p < SIGNIFICANT for p in ranking.p_values.values())
    return (
        f"Wilcoxon's signed-rank tests, Holm-corrected: {differing} of {_count(len(ranking.p_values), 'pair')} differ. "
        f"{_groups(ranking, ranking.wilcoxon_groups)}"
    )


def _groups(ranking: Ranking, groups: list[Group]) -> str:
    if not groups:
        return f"All methods differ at the {SIGNIFICANT} level."
    place = {method: number for number, method in enumerate(ranking.methods, start=1)}
    stretches = ", ".join(f"{place[group[0]]}-{place[group[-1]]}" for group in groups)
    return f"No difference shown at the {SIGNIFICANT} level within the places {stretches}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
