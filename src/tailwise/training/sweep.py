"""Train many runs side by side, each in its own run directory, so that a stopped sweep goes on where it was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailwise.errors import InputError, first_line
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train
from tailwise.training.run_directory import RunDirectory

Report = Callable[[dict[str, Any]], None]
RELAY_SECONDS = 5.0


@dataclass(frozen=True)
class Job:
    """One run of a sweep, and the command that makes it alone."""

    recipe: Recipe
    out: Path
    command: str


@dataclass(frozen=True)
class Failure:
    """A job that did not finish, and why: what went wrong in training, or input that cannot be used."""

    job: Job
    reason: str
    bad_input: bool = False


def run_directory(out: Path, recipe: Recipe) -> Path:
    """Where a sweep puts a run: OUT/<recipe>/<method>/seed-<n>."""
    return out / recipe.recipe / recipe.method / f"seed-{recipe.seed}"


def epochs_left(jobs: Sequence[Job]) -> int:
    """How many epochs the jobs have before them."""
    return sum(max(0, job.recipe.total_epochs - RunDirectory(job.out).epochs) for job in jobs)


def sweep(
    jobs: Sequence[Job], options: RunOptions, processes: int, on_epoch: Report, stop_at_bad_input: bool = True
) -> list[Failure]:
    """Train every job; finished runs are left as they are, interrupted ones go on.

    Args:
        jobs: what to train.
        options: for every run.
        processes: how many runs at a time; 1 trains in this process.
        on_epoch: called in this process with each line of ``metrics.jsonl``.
        stop_at_bad_input: whether an InputError of one run ends the sweep; otherwise that run has failed.

    Returns:
        The jobs that failed in training; one that fails does not stop the others.

    Raises:
        InputError: two jobs have one directory, or a run's data, recipe or directory cannot be used; what has not
            begun is not begun.
    """
    check_places(jobs)
    if stop_at_bad_input:
        check_settings(jobs)
    options = replace(options, resume=True)
    if processes == 1:
        options = replace(options, on_epoch=on_epoch)
        return [failure for job in jobs if (failure := train_job(job, options, stop_at_bad_input))]
    options = replace(options, on_epoch=_send)
    context = multiprocessing.get_context("spawn")
    lines: multiprocessing.Queue[dict[str, Any] | None] = context.Queue()
    listener = threading.Thread(target=_relay, args=(lines, on_epoch), daemon=True)
    listener.start()
    not_ours = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, context, _start_worker, (lines,))
    try:
        with _interrupts_ignored():  # inherited by the workers: Ctrl-C reaches the whole group, the parent ends them
            futures = {pool.submit(train_job, job, options, stop_at_bad_input): job for job in jobs}
        outcomes = [_outcome(future, futures[future]) for future in as_completed(futures)]
    except BaseException:
        # Runs can be stopped anywhere, so nobody waits for those that are under way.
        for worker in set(multiprocessing.active_children()) - not_ours:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        lines.put(None)
        listener.join(timeout=RELAY_SECONDS)  # a worker killed while it reported leaves the queue locked
    return [outcome for outcome in outcomes if outcome]


def check_places(jobs: Sequence[Job]) -> None:
    """Refuse two jobs for one directory.

    Raises:
        InputError: there are two.
    """
    places = [job.out for job in jobs]
    if len(set(places)) < len(places):
        twice = next(place for place in places if places.count(place) > 1)
        raise InputError(f"two runs would go to {twice}; name each recipe, method and seed once")


def check_settings(jobs: Sequence[Job]) -> None:
    """Find the runs of other settings before hours of training rather than after.

    Raises:
        InputError: there is one.
    """
    in_the_way: list[InputError] = []
    for job in jobs:
        try:
            RunDirectory(job.out).check(job.recipe.model_dump(mode="json"), resume=True)
        except InputError as error:
            in_the_way.append(error)
    if in_the_way:
        others = f"; so it is with {len(in_the_way) - 1} more of the {len(jobs)} runs" if len(in_the_way) > 1 else ""
        raise InputError(f"{in_the_way[0]}{others}")


def train_job(job: Job, options: RunOptions, stop_at_bad_input: bool) -> Failure | None:
    """Train one job; what went wrong where it did not finish.

    Raises:
        InputError: its data, recipe or directory cannot be used, and that ends the sweep.
    """
    try:
        train(job.recipe, job.out, replace(options, command=job.command))
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        bad_input = isinstance(error, InputError)
        if bad_input and stop_at_bad_input:
            raise
        return Failure(job, first_line(error), bad_input)
    return None


def _outcome(future: Future[Failure | None], job: Job) -> Failure | None:
    try:
        return future.result()
    except BrokenProcessPool:
        return Failure(job, "its process was killed; the same command goes on from here")


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


_lines: multiprocessing.Queue[dict[str, Any] | None] | None = None


def _start_worker(lines: multiprocessing.Queue[dict[str, Any] | None]) -> None:
    global _lines
    _lines = lines
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would write on beside those of the next sweep."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _send(line: dict[str, Any]) -> None:
    assert _lines is not None
    _lines.put(line)


def _relay(lines: multiprocessing.Queue[dict[str, Any] | None], on_epoch: Report) -> None:
    while (line := lines.get()) is not None:
        on_epoch(line)
