"""Commands in tests: how one is run, what that gives, and what a refusal looks like."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

import tailwise.cli

Command = Callable[..., tuple[int, str, str]]
"""From words to exit code, stdout, stderr."""


def assert_one_line(result: tuple[int, str, str], code: int, *parts: str) -> None:
    """The last line of stderr says it all; before it there may only be a progress bar."""
    actual, _, error = result
    assert actual == code, error
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("tailwise: ")]
    assert len(lines) == 1, error
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def tailwise_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("TAILWISE_DATA", "")
    monkeypatch.delenv("TAILWISE_DATA")
    monkeypatch.setattr("tailwise.cli.stopped_in_order", nullcontext)  # signals are for pytest here

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tailwise", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            tailwise.cli.main()
        output = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, output.out, output.err

    return run
