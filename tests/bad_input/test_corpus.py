"""Every bad input of the corpus is answered by an error that names it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from bad_input import call_cases, data_cases, line_cases, recipe_cases, run_cases
from bad_input.cases import BadCall, BadCommand, named
from cli_cases import Command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes, devices and limits as Linux has them")

COMMANDS = (*recipe_cases.CASES, *data_cases.CASES, *run_cases.CASES, *line_cases.CASES)
LONGEST = 1100
"""Characters of an answer."""


@pytest.mark.parametrize("case", COMMANDS, ids=named)
def test_command_says_in_one_line_what_is_wrong(
    case: BadCommand, here: Path, bounded: None, tailwise_command: Command
) -> None:
    code, _, error = tailwise_command(*case.make(here))
    answer = [line for line in error.splitlines() if line.startswith("tailwise: ")]
    assert (code, len(answer)) == (case.code, case.lines), error
    assert "Traceback" not in error
    assert all(part in "\n".join(answer) for part in case.parts), answer
    assert max(map(len, answer)) <= LONGEST
    assert not (here / "hacked").exists()


@pytest.mark.parametrize("case", call_cases.CASES, ids=named)
def test_call_raises_what_says_what_is_wrong(case: BadCall, here: Path, bounded: None) -> None:
    with pytest.raises(case.error) as raised:
        case.call()
    assert all(part in str(raised.value) for part in case.parts), raised.value
    assert len(str(raised.value)) <= LONGEST


def test_every_case_is_of_another_kind() -> None:
    for cases in (COMMANDS, call_cases.CASES):
        twice = [name for name, times in Counter(case.name for case in cases).items() if times > 1]
        assert twice == []
