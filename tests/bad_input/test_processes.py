"""The same answers from real processes: one line on stderr, nothing on stdout, and the exit code of bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bad_input.recipe_cases import LAUGHS, OWN


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (LAUGHS + OWN, "aliases stand for more than"),
        (OWN.replace("epochs: 1", "epochs: \udce9"), "cannot read recipe file"),
        ("[" * 2_000, "nested"),
    ],
    ids=["laughs", "no utf-8", "brackets"],
)
def test_process_answers_in_one_line(content: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(content.encode("utf-8", "surrogateescape"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(
        [sys.executable, "-m", "tailwise", "train", "mine.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("tailwise: ")
    assert len(done.stderr.splitlines()) == 1
    assert part in done.stderr
