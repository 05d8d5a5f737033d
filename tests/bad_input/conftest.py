"""What bad input is given to: a run that it may damage, and a process that must neither hang nor fill the memory."""

from __future__ import annotations

import faulthandler
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from tailwise.recipes.catalog import load_recipe
from tailwise.training.engine import RunOptions, train

SECONDS = 60
MORE_MEMORY = 4 * 2**30


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on digits, some of whose samples are held out, and a file to predict."""
    folder = tmp_path_factory.mktemp("trained")
    settings = ("training.epochs=2", "data.validation_fraction=0.2")
    train(load_recipe("digits/long-tailed-if20").resolve("ce", 0, settings), folder / "run", RunOptions(device="cpu"))
    np.savez(folder / "new.npz", inputs=np.zeros((2, 8, 8, 1), np.uint8))
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a copy of the run."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bounded() -> Iterator[None]:
    """Time and memory: reading on without end fails the test rather than the machine."""

    def ring(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"no answer within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    has = re.search(r"VmSize:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    assert has is not None
    resource.setrlimit(resource.RLIMIT_AS, (int(has[1]) * 1024 + MORE_MEMORY, limits[1]))
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True)  # where a library waits, which no signal ends
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, limits)
