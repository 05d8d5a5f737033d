"""Who trains in a run directory, where a lock tells (one machine) and where it does not (several)."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from recipe_trees import quick_recipe
from tailwise.errors import InputError
from tailwise.training import hold
from tailwise.training.engine import RunOptions, train
from tailwise.training.hold import TakenOverError, held

ELSEWHERE = "0123 another-machine their-node 77\n"
"""The name that a process of another machine leaves."""


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(hold, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(hold, "LOOK_SECONDS", 0.02)


def test_second_process_of_this_machine_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "state"
    folder.mkdir(parents=True)
    with (
        held(folder),
        pytest.raises(InputError, match=f"another process is training in {tmp_path}/run; wait"),
        held(folder),
    ):
        pass


def test_who_waits_gets_the_directory_when_it_is_free(tmp_path: Path) -> None:
    order: list[str] = []

    def wait() -> None:
        with held(tmp_path, wait=True):
            order.append("second")

    with held(tmp_path):
        second = threading.Thread(target=wait)
        second.start()
        time.sleep(0.1)
        order.append("first")
    second.join(timeout=10)
    assert order == ["first", "second"]
    assert not (tmp_path / "holder").exists()


def test_process_of_this_machine_that_was_killed_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "SILENCE_SECONDS", 1e9)
    with held(tmp_path):
        left = (tmp_path / "holder").read_text()
    (tmp_path / "holder").write_text(left)
    with held(tmp_path):
        pass


def test_process_of_another_machine_that_shows_life_is_refused_and_named(tmp_path: Path) -> None:
    file = tmp_path / "run" / "state" / "holder"
    file.parent.mkdir(parents=True)
    file.write_text(ELSEWHERE)
    ended = threading.Event()
    beats = threading.Thread(target=hold.Hold(file, ELSEWHERE).beat, args=(ended,))
    beats.start()
    try:
        told = f"process 77 of their-node is training in {tmp_path}/run; wait for it or choose another --out"
        with pytest.raises(InputError, match=told), held(file.parent):
            pass
    finally:
        ended.set()
        beats.join()


def test_process_of_another_machine_that_is_silent_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "holder").write_text(ELSEWHERE)
    began = time.monotonic()
    with held(tmp_path):
        assert time.monotonic() - began >= hold.SILENCE_SECONDS
        assert (tmp_path / "holder").read_text() != ELSEWHERE


def test_holder_shows_life_while_it_holds(tmp_path: Path) -> None:
    with held(tmp_path):
        os.utime(tmp_path / "holder", (0, 0))
        deadline = time.monotonic() + 10
        while (tmp_path / "holder").stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_run_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    """As when its machine stood still for long, and another went on."""
    recipe = quick_recipe()

    def taken_over(line: dict[str, object]) -> None:
        if line["epoch"] == 2:
            (tmp_path / "state" / "holder").write_text(ELSEWHERE)

    with pytest.raises(TakenOverError, match=f"another process has taken over {tmp_path} while this one stood still"):
        train(recipe, tmp_path, RunOptions(device="cpu", threads=1, on_epoch=taken_over))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    assert not (tmp_path / "weights.safetensors").exists()
    assert (tmp_path / "state" / "holder").read_text() == ELSEWHERE


def test_run_that_another_finished_meanwhile_is_not_trained_again(tmp_path: Path) -> None:
    recipe = quick_recipe()
    lines: list[dict[str, object]] = []
    second: list[dict[str, object]] = []
    options = RunOptions(device="cpu", threads=1, resume=True, wait=True)

    def begin_another(line: dict[str, object]) -> None:
        lines.append(line)
        if line["epoch"] == 1:
            other.start()
            time.sleep(0.5)

    def train_another() -> None:
        second.append(train(recipe, tmp_path, options))

    other = threading.Thread(target=train_another)
    first = train(recipe, tmp_path, RunOptions(device="cpu", threads=1, on_epoch=begin_another))
    other.join(timeout=60)
    assert second == [first]
    assert len(lines) == 3
    assert "resumed" not in (tmp_path / "environment.json").read_text()
