"""What is advised for which class counts, and when the advice says that it does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tailwise.counts import ClassCounts
from tailwise.data.profiles import exponential_counts
from tailwise.inspection import advice as module
from tailwise.inspection.advice import Advice, advise
from tailwise.inspection.advised_recipe import METHODS
from tailwise.inspection.evidence import STUDIES, Figure


def test_data_like_those_of_a_study_have_its_winner_and_no_doubt() -> None:
    found = advise(exponential_counts(10, 5000, 100), "images")
    assert found.method == "balanced_softmax"  # bcl gains 0.9 points more, with three times the work
    assert found.methods[:2] == ("ce", "balanced_softmax")
    assert "bcl" in found.methods
    assert found.doubts == ()
    assert "+9.7 points, +8.8 of balanced_softmax) it is the simplest" in found.reasons[-1]
    assert any("CIFAR-10" in reason and "balanced_softmax 48.0 ±1.5" in reason for reason in found.reasons)
    assert advise(ClassCounts([1000, 50]), "images").method == "gppe"


def test_cross_entropy_where_no_loss_gained() -> None:
    found = advise(ClassCounts([11000, 1100]), "table")
    assert found.method == "ce"
    assert found.methods[0] == "ce"
    assert "choose the threshold" in found.reasons[-1]


def test_balanced_data_need_nothing() -> None:
    found = advise(ClassCounts([100, 120, 110]), "images")
    assert found.method == "ce"
    assert found.doubts == ()
    assert found.reasons == ("the classes are about equally frequent (imbalance 1.2): nothing is to be corrected",)


@pytest.mark.parametrize(
    ("counts", "doubt"),
    [
        (exponential_counts(10, 5000, 5), "imbalance factor of 100, not near your 5"),
        (exponential_counts(10, 50000, 1000), "imbalance factor of 100, not near your 1e+03"),
        (exponential_counts(100, 500, 100), "with 10 classes, not near your 100"),
        (exponential_counts(10, 40, 40), "training samples, not near your"),
        (exponential_counts(10, 400, 100), "your rarest class has 4 training samples"),
        (exponential_counts(10, 100, 100), "your rarest class has 1 training sample;"),
    ],
)
def test_where_the_measurements_do_not_reach_is_said(counts: ClassCounts, doubt: str) -> None:
    assert any(doubt in sentence for sentence in advise(counts, "images").doubts)


def test_classes_without_samples_do_not_count_as_the_rarest() -> None:
    assert advise(ClassCounts([500, 50, 0]), "images").method == "balanced_softmax"


def with_figures(monkeypatch: pytest.MonkeyPatch, **figures: Figure) -> Advice:
    """Advice from one study of ten classes of a table with these figures."""
    study = next(study for study in STUDIES if study.kind == "table" and study.num_classes == 10)
    monkeypatch.setattr(module, "STUDIES", (replace(study, figures=figures),))
    return advise(exponential_counts(10, 120, 20), "table")


def test_simplest_within_a_point_of_the_best_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = {"ce": Figure(80, 0.5), "balanced_softmax": Figure(84, 0.5), "lade": Figure(84.9, 0.5)}
    assert with_figures(monkeypatch, **figures).method == "balanced_softmax"
    assert with_figures(monkeypatch, **figures | {"lade": Figure(85.1, 0.5)}).method == "lade"


def test_gain_within_the_spread_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert with_figures(monkeypatch, ce=Figure(80, 1), gppe=Figure(81, 1)).method == "ce"
    assert with_figures(monkeypatch, ce=Figure(80, 0.5), gppe=Figure(81, 0.5)).method == "gppe"


def test_every_method_of_a_study_is_one_that_recipes_can_be_written_for() -> None:
    assert {name for study in STUDIES for name in study.figures} <= METHODS.keys()
