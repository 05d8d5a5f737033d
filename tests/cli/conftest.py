"""Commands run in the process of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tailwise.cli
from cli_cases import Command


@pytest.fixture
def tailwise_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process: exit code, stdout, stderr."""
    monkeypatch.setenv("TAILWISE_DATA", "")
    monkeypatch.delenv("TAILWISE_DATA")

    def run(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tailwise", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            tailwise.cli.main()
        output = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, output.out, output.err

    return run
