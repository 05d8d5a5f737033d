"""The examples: short, run as they are with the real libraries, better with the loss than without, and in the docs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))
MOST_LINES = 25
QUICK = ("lightning_drw", "skorch_classifier")
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)


def test_there_is_an_example_for_each_library() -> None:
    assert {example.stem.partition("_")[0] for example in EXAMPLES} == {
        *("huggingface", "lightning", "sklearn", "skorch", "timm", "torchvision")
    }


@every_example
def test_example_has_at_most_25_lines_beside_its_docstring(example: Path) -> None:
    text = example.read_text()
    docstring = ast.parse(text).body[0].end_lineno
    lines = [line for line in text.splitlines()[docstring:] if line.strip()]
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    "example",
    [pytest.param(path, marks=[pytest.mark.long] * (path.stem not in QUICK)) for path in EXAMPLES],
    ids=lambda example: example.stem,
)
def test_example_runs_and_its_last_line_beats_its_first(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "tests/example_process.py"), str(example)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    accuracies = [float(found) for found in re.findall(r"^\D.*? (0\.\d+)$", done.stdout, re.MULTILINE)]
    assert len(accuracies) >= 2, done.stdout
    assert accuracies[-1] > accuracies[0], done.stdout


@every_example
def test_page_of_the_integrations_shows_the_example_as_it_is(example: Path) -> None:
    page = (REPOSITORY / "docs/integrations.md").read_text()
    assert f'```python title="examples/{example.name}"\n{example.read_text()}```\n' in page
