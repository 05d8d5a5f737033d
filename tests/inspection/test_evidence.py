"""The figures that advice rests on are those of the results page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailwise.inspection.evidence import STUDIES, Study

RESULTS = (Path(__file__).parents[2] / "docs/results.md").read_text()
HEADINGS = {"balanced_accuracy": "bal. acc", "f1": "F1"}


def published(study: Study) -> tuple[dict[str, str], str]:
    """The column of the study's metric, and the section it stands in."""
    (section,) = re.findall(rf"^## {re.escape(study.section)}\n(.*?)(?=^## |\Z)", RESULTS, re.MULTILINE | re.DOTALL)
    table = section[section.index(f"({study.table}") :] if study.table else section
    match = re.search(r"^\| method \|.*\n\|.*\n(?:\|.*\n)+", table, re.MULTILINE)
    assert match
    headings, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in match[0].splitlines())
    column = headings.index(HEADINGS[study.metric])
    return {row[0]: re.sub(r"[*\\]", "", row[column]) for row in rows}, section


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.about)
def test_figures_are_those_of_the_results_page(study: Study) -> None:
    column, section = published(study)
    assert {name: f"{figure.mean:.2f} ±{figure.std:.2f}" for name, figure in study.figures.items()}.items() <= (
        column.items()
    )
    network, epochs = re.fullmatch(r"(\w+), (\d+) epochs", study.model).groups()  # type: ignore[union-attr]
    assert f"last of {epochs} epochs" in section
    assert f". {network.lower()}, " in section


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.about)
def test_data_of_a_study_are_as_it_says(study: Study, data_root: Path) -> None:
    from tailwise.inspection.findings import inspect
    from tailwise.inspection.target import data_config

    _, section = published(study)
    named = re.findall(r"\$ tailwise compare (.*)", section)[0].split()
    recipe = study.table.strip("`") or named[0]
    assert recipe in named
    found = inspect(recipe, data_config(recipe, (), data_root), data_root, read_samples=False)
    assert sum(found.train) == study.num_train
    assert len(found.train) == study.num_classes
    assert found.train.imbalance_factor == pytest.approx(study.imbalance_factor, rel=0.01)
