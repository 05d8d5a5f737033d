"""Where the tests find reference cases and real data."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from browser import browser, page  # noqa: F401
from cli_cases import tailwise_command  # noqa: F401
from small_data import write_small_data
from timm_beside import put_timm_on_path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # the kernels run on the CPU

REPOSITORY = Path(__file__).parents[1]


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / default)).resolve()
    if not folder.is_dir():
        pytest.exit(f"{folder} is missing: set {variable} to the folder of reference {default}", returncode=2)
    return folder


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: TAILWISE_DATA, or shared/data beside the repository."""
    return _folder("TAILWISE_DATA", "data")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few samples of each data set that is not among the real ones."""
    root = tmp_path_factory.mktemp("small-data")
    write_small_data(root)
    return root


@pytest.fixture(scope="session", autouse=True)
def one_thread_for_each_worker() -> None:
    """The workers share the cores already: more threads than cores wait for each other most of the time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"  # of the commands that tests start


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell's background jobs ignore interrupts, and so would the commands that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def timm_importable() -> None:
    """timm and torchvision, for the tests that build a network of the one or read a table of the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])  # for now: processes that later tests start inherit the path
        put_timm_on_path()
        importlib.import_module("timm")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases hypothesis made for the tests that put their number on record."""
    passed = terminalreporter.getreports("passed")
    tried = [int(number) for report in passed for name, number in report.user_properties if name == "cases"]
    if tried:
        terminalreporter.write_line(f"{sum(tried)} generated cases passed in {len(tried)} tests")


def golden(name: str) -> list[dict[str, Any]]:
    """The reference cases of one method: TAILWISE_GOLDEN, or shared/golden beside the repository."""
    cases: list[dict[str, Any]] = json.loads((_folder("TAILWISE_GOLDEN", "golden") / f"{name}.json").read_text())
    return cases
