"""Many runs side by side: finished ones stay, interrupted ones go on, failed ones are told."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recipe_trees import ignore, quick_recipe, stop_after, sweep_jobs
from tailwise.errors import InputError, TailwiseWarning
from tailwise.training.engine import RunOptions, train
from tailwise.training.sweep import Job, epochs_left, run_directory, sweep

OPTIONS = RunOptions(threads=1, device="cpu")


def test_runs_are_laid_out_by_recipe_method_and_seed(tmp_path: Path) -> None:
    assert run_directory(tmp_path, quick_recipe("gppe", 3)) == tmp_path / "digits/long-tailed-if20/gppe/seed-3"


def test_side_by_side_gives_the_weights_of_one_after_the_other(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = []
    assert sweep(sweep_jobs(tmp_path / "one"), OPTIONS, 1, ignore) == []
    assert sweep(sweep_jobs(tmp_path / "two"), OPTIONS, 2, lines.append) == []
    assert len(lines) == 4 * 3
    for first, second in zip(sweep_jobs(tmp_path / "one"), sweep_jobs(tmp_path / "two"), strict=True):
        assert (first.out / "weights.safetensors").read_bytes() == (second.out / "weights.safetensors").read_bytes()
        assert json.loads((second.out / "summary.json").read_text())["command"] == second.command


def test_second_sweep_trains_only_what_is_not_finished(tmp_path: Path) -> None:
    todo = sweep_jobs(tmp_path)
    train(todo[0].recipe, todo[0].out, OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        train(todo[1].recipe, todo[1].out, RunOptions(threads=1, device="cpu", on_epoch=stop_after(2)))
    assert epochs_left(todo) == 1 + 3 + 3
    lines: list[dict[str, Any]] = []
    assert sweep(todo, OPTIONS, 1, lines.append) == []
    assert [line["epoch"] for line in lines] == [3, 1, 2, 3, 1, 2, 3]
    assert epochs_left(todo) == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_run_that_fails_in_training_is_told_and_stops_no_other(tmp_path: Path, processes: int) -> None:
    broken = quick_recipe("ce", 9, "optimizer.name=sgd", "optimizer.lr=1e30")
    todo = [Job(broken, run_directory(tmp_path, broken), ""), *sweep_jobs(tmp_path)]
    failures = sweep(todo, OPTIONS, processes, ignore)
    assert [failure.job.out.name for failure in failures] == ["seed-9"]
    assert "the loss became" in failures[0].reason
    assert all((job.out / "summary.json").exists() for job in todo[1:])


@pytest.mark.parametrize("processes", [1, 2])
def test_input_that_cannot_be_used_stops_the_sweep(tmp_path: Path, processes: int) -> None:
    with pytest.raises(InputError, match="5000 were asked for"):
        sweep(sweep_jobs(tmp_path, "data.profile.max_count=5000"), OPTIONS, processes, ignore)


def test_runs_of_other_settings_are_found_before_any_training(tmp_path: Path) -> None:
    for done in sweep_jobs(tmp_path, "training.epochs=1")[2:]:
        train(done.recipe, done.out, OPTIONS)
    with pytest.raises(InputError) as error:
        sweep(sweep_jobs(tmp_path), OPTIONS, 2, ignore)
    assert str(error.value) == (
        f"{tmp_path}/digits/long-tailed-if20/gppe/seed-0 holds a run with another training.epochs (1, not 3); choose "
        "another --out or delete that run; so it is with 1 more of the 4 runs"
    )
    assert not (tmp_path / "digits/long-tailed-if20/ce").exists()


def test_worker_that_is_killed_is_told_and_every_run_is_finished_with_no_epoch_twice(tmp_path: Path) -> None:
    todo = sweep_jobs(tmp_path, "training.epochs=40")
    lines: list[dict[str, Any]] = []
    deaths: list[str] = []

    def kill_once(line: dict[str, Any]) -> None:
        if not lines:
            os.kill(next(iter(multiprocessing.active_children())).pid or 0, signal.SIGKILL)
        lines.append(line)

    assert sweep(todo, OPTIONS, 2, kill_once, on_death=deaths.append) == []
    assert 1 <= len(deaths) <= 2
    assert all(re.fullmatch(rf"the process of {tmp_path}/\S+ was killed; it goes on after .*", said) for said in deaths)
    assert sorted(line["epoch"] for line in lines) == sorted(list(range(1, 41)) * 4)
    assert all((job.out / "summary.json").exists() for job in todo)


def test_runs_whose_processes_are_killed_over_and_over_are_given_up(tmp_path: Path) -> None:
    todo = sweep_jobs(tmp_path, "training.epochs=100000")[:2]
    over = threading.Event()

    def kill_all() -> None:
        while not over.is_set():
            for child in multiprocessing.active_children():
                child.kill()
            time.sleep(0.05)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.warns(TailwiseWarning, match="was killed; it goes on after epoch 0"):
            failures = sweep(todo, OPTIONS, 2, ignore)
    finally:
        over.set()
        killer.join()
    reason = "its process was killed 4 times in epoch 1; the same command goes on from here"
    assert {(failure.job.out, failure.reason) for failure in failures} == {(job.out, reason) for job in todo}


def start_sweep(out: Path) -> subprocess.Popen[str]:
    """A sweep in a process of its own that would last for hours."""
    words = ["compare", "digits/long-tailed-if20", "--out", str(out), "--jobs", "2", "--set", "training.epochs=100000"]
    command = [sys.executable, "-m", "tailwise", *words]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )


def wait_for_runs(command: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 120
    while len(list(out.rglob("last.safetensors"))) < 2:
        assert command.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_interrupted_sweep_ends_its_workers(tmp_path: Path) -> None:
    command = start_sweep(tmp_path)
    wait_for_runs(command, tmp_path)
    os.killpg(command.pid, signal.SIGINT)
    _, error = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "Traceback" not in error
    assert "stopped; the same command goes on from here" in error


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
def test_killed_sweep_leaves_no_worker_behind(tmp_path: Path, signal_: signal.Signals) -> None:
    command = start_sweep(tmp_path)
    wait_for_runs(command, tmp_path)
    os.kill(command.pid, signal_)
    command.communicate(timeout=60)  # returns when no process holds the pipe any more
    lengths = {file: file.stat().st_size for file in tmp_path.rglob("metrics.jsonl")}
    time.sleep(0.5)
    assert lengths == {file: file.stat().st_size for file in tmp_path.rglob("metrics.jsonl")}


def test_two_jobs_for_one_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"two runs would go to .*seed-0; name each recipe, method and seed once"):
        sweep([*sweep_jobs(tmp_path), sweep_jobs(tmp_path)[0]], OPTIONS, 2, ignore)
