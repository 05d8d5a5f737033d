"""Commands in tests: what running one gives, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Callable

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
