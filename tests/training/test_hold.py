"""Who trains in a run directory, where a lock tells (one machine) and where it does not (several)."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from recipe_trees import quick_recipe
from tailwise.errors import InputError, TailwiseWarning, TrainingError
from tailwise.training import hold
from tailwise.training.engine import RunOptions, train
from tailwise.training.hold import TakenOverError, held
from tailwise.training.run_directory import RunDirectory

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


@pytest.mark.filterwarnings("ignore:process 77 of their-node has not left")
def test_process_of_another_machine_that_shows_life_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "SILENCE_SECONDS", 1e9)
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
    told = f"process 77 of their-node has not left {tmp_path.parent}; waiting up to 0.5 seconds for signs of its life"
    with ExitStack() as stack:
        with pytest.warns(TailwiseWarning, match=told):
            stack.enter_context(held(tmp_path))
        assert time.monotonic() - began >= hold.SILENCE_SECONDS
        assert (tmp_path / "holder").read_text() != ELSEWHERE


def test_lock_of_another_mount_of_the_same_folder_proves_nothing(tmp_path: Path) -> None:
    """Two containers of one machine may see a shared file system each by a mount, and locks, of its own."""
    with held(tmp_path):
        unique, machine, *who = (tmp_path / "holder").read_text().split()
    boot, _, mount = machine.rpartition(":")
    (tmp_path / "holder").write_text(" ".join([unique, f"{boot}:{int(mount) + 1}", *who]))
    with pytest.warns(TailwiseWarning, match="waiting up to 0.5 seconds"), held(tmp_path):
        pass


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


def test_run_whose_directory_is_gone_says_so(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = RunOptions(device="cpu", threads=1, on_epoch=lambda line: shutil.rmtree(out))
    with pytest.raises(TrainingError, match=f"{out} is gone, deleted or no longer mounted; put it back and go on with"):
        train(quick_recipe(), out, options)
    assert not out.exists()


def test_record_of_the_run_that_took_over_is_left_alone(tmp_path: Path) -> None:
    """As when the machine stood still before its first write."""
    recipe = quick_recipe()
    train(recipe, tmp_path, RunOptions(device="cpu", threads=1))
    directory, config = RunDirectory(tmp_path), recipe.model_dump(mode="json")
    fingerprint = str(np.load(tmp_path / "indices.npz")["fingerprint"])
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}
    with directory.opened(config, {}, fingerprint):
        (tmp_path / "state" / "holder").write_text(ELSEWHERE)
        with pytest.raises(TakenOverError):
            directory.keep_metrics(1)
        with pytest.raises(TakenOverError):
            directory.write_environment("cpu", "resident")
    assert before == {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}


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
