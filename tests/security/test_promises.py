"""The promises as they are written name tests that there are, and the number of inputs that are tried."""

from __future__ import annotations

import re
from pathlib import Path

from bad_input import call_cases, data_cases, line_cases, recipe_cases, run_cases

REPOSITORY = Path(__file__).parents[2]
TESTS = REPOSITORY / "tests"


def test_every_promise_of_security_names_a_test_that_there_is() -> None:
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    defined = set(
        re.findall(r"def (test_\w+)\(", "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py")))
    )
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) >= 10
    assert named <= defined
    for path in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (REPOSITORY / path).exists(), path
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    assert all("test" in row.split("|")[2] for row in rows)


def test_page_of_promises_counts_the_inputs_that_are_tried() -> None:
    corpora = (recipe_cases, data_cases, run_cases, line_cases, call_cases)
    counts = [len(corpus.CASES) for corpus in corpora]
    text = (REPOSITORY / "docs/reliability.md").read_text(encoding="utf-8")
    section = text.partition("## Bad input")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"\| \**(\d+)\** \|", section)] == [*counts, sum(counts)]
