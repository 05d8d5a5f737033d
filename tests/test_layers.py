"""The library half stands alone: losses and their kin need torch and numpy, not the application around them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tailwise

PACKAGE = Path(tailwise.__file__).parent
LIBRARY = (
    "hyperparameters",
    "conversion",
    "counts",
    "losses",
    "weights",
    "schedules",
    "sampling",
    "mixing",
    "log_odds",
    "posthoc",
    "metrics",
    "heads",
    "two_stage",
    "routing",
    "compiled",
    "distributed",
)
THIRD_PARTY = {"torch", "numpy", "typing_extensions"}


def library_files() -> list[Path]:
    named = [PACKAGE / f"{name}.py" for name in LIBRARY if (PACKAGE / f"{name}.py").exists()]
    return named + [file for name in LIBRARY for file in sorted((PACKAGE / name).rglob("*.py"))]


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("file", library_files(), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_library_file_imports_torch_numpy_and_the_library_only(file: Path) -> None:
    further = {"metrics": {"torchmetrics"}, "_rows_triton.py": {"triton"}}
    allowed = THIRD_PARTY.union(*(further.get(part, set()) for part in file.relative_to(PACKAGE).parts))
    for name in imported(file):
        top, _, rest = name.partition(".")
        if top == "tailwise":
            assert rest.partition(".")[0] in LIBRARY, f"{name} is not in the library half"
        else:
            assert top in allowed | sys.stdlib_module_names, f"{name} may not be imported here"


def test_library_files_are_found() -> None:
    assert len(library_files()) > 15


def test_importing_the_package_loads_nothing_of_the_application() -> None:
    script = "import sys, tailwise; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded
    assert not {"pydantic", "typer", "lightning_fabric", "sklearn", "torchmetrics", "yaml", "rich", "matplotlib"} & set(
        loaded
    )
