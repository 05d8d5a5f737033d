"""Comparison of methods: means, spread, significance, and how they are shown."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import ttest_rel

from tailwise.errors import InputError
from tailwise.report.comparison import compare, holm, paired_p_value
from tailwise.report.runs import Run
from tailwise.report.table import comparison_markdown, comparison_table


def run_of(loss: str, seed: int, counts: tuple[int, ...] = (90, 10), **metrics: float) -> Run:
    return Run(
        path=Path(f"{loss}/seed-{seed}"),
        recipe="toy",
        loss=loss,
        seed=seed,
        command=f"tailwise train toy --loss {loss} --seed {seed}",
        model="mlp",
        num_parameters=1234,
        epochs=7,
        seconds=1.0,
        class_counts=counts,
        class_names=tuple(map(str, counts)),
        metrics=metrics,
    )


def test_sizes_of_networks_with_different_heads_are_both_shown() -> None:
    linear, cosine = run_of("ce", 0, f1=0.8), replace(run_of("ldam", 0, f1=0.8), num_parameters=1230)
    comparison = compare([linear, cosine])
    assert comparison.num_parameters == {"ce": 1234, "ldam": 1230}
    assert "mlp, 1,230 to 1,234 parameters" in comparison_markdown(comparison)


CE = [0.80, 0.82, 0.81]
BETTER = [0.90, 0.93, 0.91]
SIMILAR = [0.81, 0.80, 0.82]


def runs(**more: Any) -> list[Run]:
    values = {"ce": CE, "better": BETTER, "similar": SIMILAR}
    return [run_of(m, s, f1=v, ece=1 - v, **more) for m, of_seed in values.items() for s, v in enumerate(of_seed)]


def test_mean_and_sample_standard_deviation_over_the_seeds() -> None:
    cell = compare(runs()).cells["ce"]["f1"]
    assert cell.mean == pytest.approx(0.81)
    assert cell.std == pytest.approx(0.01)
    assert cell.p_value is None


def test_one_seed_has_neither_spread_nor_significance() -> None:
    cells = compare([run_of("ce", 0, f1=0.8), run_of("gppe", 0, f1=0.9)]).cells
    assert cells["gppe"]["f1"].std is None
    assert cells["gppe"]["f1"].p_value is None


def test_significance_is_the_paired_t_test_corrected_for_the_number_of_methods() -> None:
    comparison = compare(runs(), metrics=["f1"])
    better, similar = (ttest_rel(values, CE).pvalue for values in (BETTER, SIMILAR))
    assert comparison.reference == "ce"
    assert comparison.cells["better"]["f1"].p_value == pytest.approx(2 * better)
    assert comparison.cells["similar"]["f1"].p_value == pytest.approx(similar)


def test_only_common_seeds_are_paired() -> None:
    expected = ttest_rel([0.9, 0.95], [0.8, 0.82]).pvalue
    assert paired_p_value({0: 0.8, 1: 0.82, 2: 0.5}, {0: 0.9, 1: 0.95, 7: 0.1}) == pytest.approx(expected)
    assert paired_p_value({0: 0.8}, {0: 0.9}) is None
    assert paired_p_value({0: 0.8, 1: 0.8}, {2: 0.9, 3: 0.9}) is None


def test_difference_without_variance_is_not_called_significant() -> None:
    assert paired_p_value({0: 0.5, 1: 0.7}, {0: 0.5, 1: 0.7}) == 1.0
    assert paired_p_value({0: 0.5, 1: 0.75}, {0: 0.75, 1: 1.0}) is None


def test_holm_multiplies_stepwise_and_never_decreases() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "untested": None, "d": 0.6})
    assert corrected == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "untested": None, "d": 0.6})


def test_best_is_the_highest_mean_except_where_lower_is_better() -> None:
    cells = compare(runs(), metrics=["f1", "ece"]).cells
    assert [method for method in cells if cells[method]["f1"].best] == ["better"]
    assert [method for method in cells if cells[method]["ece"].best] == ["better"]


def test_default_columns_follow_the_number_of_classes() -> None:
    everything = dict.fromkeys(("accuracy", "f1", "macro_f1", "g_mean", "auc", "ap", "mcc", "accuracy_few"), 0.5)
    binary = compare([run_of("ce", 0, (90, 10), **everything)])
    several = compare([run_of("ce", 0, (90, 10, 5), **everything)])
    assert binary.metrics == ["f1", "g_mean", "auc", "ap", "accuracy"]
    assert several.metrics == ["accuracy", "macro_f1", "g_mean", "accuracy_few", "auc"]


def rendered(metrics: list[str], styled: bool) -> str:
    output = io.StringIO()
    Console(file=output, width=110, force_terminal=styled).print(comparison_table(compare(runs(), metrics)))
    return " ".join(output.getvalue().split())


def test_terminal_table_shows_every_method_stars_and_what_the_numbers_are() -> None:
    shown = rendered(["f1"], styled=False)
    assert "91.33 ±1.53*" in shown
    assert "81.00 ±1.00*" not in shown
    assert all(word in shown for word in ("ce", "better", "similar", "3 seeds", "1,234 parameters", "last of 7 epochs"))


def test_best_of_a_column_is_bold_in_the_terminal() -> None:
    shown = rendered(["f1"], styled=True)
    assert "\x1b[1m91.33 ±1.53" in shown
    assert "\x1b[1m81.00" not in shown


def test_narrow_terminal_loses_no_digit() -> None:
    output = io.StringIO()
    metrics = dict.fromkeys(("accuracy", "balanced_accuracy", "f1", "g_mean", "auc", "ap"), 0.5)
    table = comparison_table(compare([run_of(m, s, (90, 10), **metrics) for m in ("ce", "gppe") for s in (0, 1)]))
    Console(file=output, width=60).print(table)
    assert "…" not in output.getvalue()
    assert output.getvalue().count("50.00") == 2 * len(metrics)


def test_markdown_marks_the_best_and_says_what_the_numbers_are() -> None:
    text = comparison_markdown(compare(runs(), metrics=["f1", "ece"]))
    assert "| method | F1 | ECE |" in text
    assert "| better | **91.33 ±1.53**\\* | **8.67 ±1.53**\\* |" in text
    assert "| similar | 81.00 ±1.00 | 19.00 ±1.00 |" in text
    assert "over 3 seeds" in text


@pytest.mark.parametrize(
    ("given", "metrics", "message"),
    [
        ([], None, "there are no runs to compare"),
        ([run_of("ce", 0, f1=0.5), run_of("ce", 1, (80, 20), f1=0.5)], None, "differ in class_counts"),
        ([run_of("ce", 0, g_mean=0.5)], ["gmean"], "no metric of these runs is named 'gmean': did you mean 'g_mean'"),
        ([run_of("ce", 0, f1=0.5)], ["zzz"], "'zzz': there are f1"),
        ([run_of("ce", 0, f1=0.5), run_of("ce", 0, f1=0.6)], None, "are both of ce with seed 0"),
    ],
)
def test_what_cannot_be_compared_is_named(given: list[Run], metrics: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(given, metrics)
