"""Train many runs side by side, each in its own run directory, so that a stopped sweep goes on where it was."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailwise.errors import InputError, TailwiseWarning, first_line
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train
from tailwise.training.interrupts import interrupts_handled_by
from tailwise.training.run_directory import RunDirectory

Report = Callable[[dict[str, Any]], None]
OnDeath = Callable[[str], None]
RETRIES = 3
"""Times that a run goes on after its process died without having finished a further epoch."""
LOOK_SECONDS = 0.5


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


def note(told: str) -> None:
    """Tell the user; what is called unless another listener is given."""
    warnings.warn(told, TailwiseWarning, stacklevel=2)


@dataclass
class Attempt:
    """A job under way in another process.

    epochs: on record and reported. deaths: of its processes since the last epoch that was finished, and ``reached``
    the number of epochs at the last of them.
    """

    job: Job
    epochs: int
    deaths: int = 0
    reached: int = -1

    def report(self, on_epoch: Report) -> None:
        """Tell of the epochs that were put on record since."""
        lines: list[str] = []
        with suppress(OSError):  # storage that stalls; it will be told the next time
            lines = RunDirectory(self.job.out).metrics()[self.epochs :]
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:  # it is being written
                return
            self.epochs += 1
            on_epoch(told)

    def died(self, how: str, on_death: OnDeath) -> Failure | None:
        """Its process is no more: it is to go on, or is given up where that has happened over and over."""
        self.deaths = self.deaths + 1 if self.epochs == self.reached else 1
        self.reached = self.epochs
        if self.deaths > RETRIES:
            reason = f"its process {how} {self.deaths} times in epoch {self.epochs + 1}"
            return Failure(self.job, f"{reason}; the same command goes on from here")
        on_death(f"the process of {self.job.out} {how}; it goes on after epoch {self.epochs}")
        return None


def sweep(
    jobs: Sequence[Job],
    options: RunOptions,
    processes: int,
    on_epoch: Report,
    stop_at_bad_input: bool = True,
    on_death: OnDeath = note,
) -> list[Failure]:
    """Train every job; finished runs are left as they are, interrupted ones go on.

    Args:
        jobs: what to train.
        options: for every run.
        processes: how many runs at a time; 1 trains in this process.
        on_epoch: called in this process with each line of ``metrics.jsonl``.
        stop_at_bad_input: whether an InputError of one run ends the sweep; otherwise that run has failed.
        on_death: called with a sentence when a run goes on in another process after its own has died.

    Returns:
        The jobs that failed in training, or whose processes died over and over; one that fails does not stop the
        others.

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
    return _side_by_side(jobs, options, processes, on_epoch, stop_at_bad_input, on_death)


def _side_by_side(
    jobs: Sequence[Job],
    options: RunOptions,
    processes: int,
    on_epoch: Report,
    stop_at_bad_input: bool,
    on_death: OnDeath,
) -> list[Failure]:
    waiting = deque(Attempt(job, RunDirectory(job.out).epochs) for job in jobs)
    failures: list[Failure] = []
    while waiting:
        with _workers(processes) as pool:
            running: dict[Future[Failure | None], Attempt] = {}
            broken: list[Attempt] = []
            # With one of its processes a pool loses all, so it is given no more than they are at.
            while not broken and (waiting or running):
                while waiting and len(running) < processes:
                    attempt = waiting.popleft()
                    running[_submitted(pool, attempt.job, options, stop_at_bad_input)] = attempt
                done, _ = wait(running, LOOK_SECONDS, FIRST_COMPLETED)
                for attempt in running.values():
                    attempt.report(on_epoch)
                for future in done:
                    attempt = running.pop(future)
                    try:
                        failures += filter(None, [future.result()])
                    except BrokenProcessPool:
                        broken.append(attempt)
                    attempt.report(on_epoch)
            broken += running.values()
        for attempt in broken:
            attempt.report(on_epoch)
            if failure := attempt.died("was killed", on_death):
                failures.append(failure)
            else:
                waiting.append(attempt)
    return failures


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end with this one, or with an error in the block: nobody waits for what is under way."""
    not_ours = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start_worker)
    try:
        yield pool
    except BaseException:
        for worker in set(multiprocessing.active_children()) - not_ours:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(
    pool: ProcessPoolExecutor, job: Job, options: RunOptions, stop_at_bad_input: bool
) -> Future[Failure | None]:
    """The outcome to come of a job; of one that never began, if the pool is broken already."""
    try:
        # Ignored by the workers too: Ctrl-C reaches the whole group, and the parent ends them.
        with interrupts_handled_by(signal.SIG_IGN):
            return pool.submit(train_job, job, options, stop_at_bad_input)
    except BrokenProcessPool as error:
        never: Future[Failure | None] = Future()
        never.set_exception(error)
        return never


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


def _start_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would write on beside those of the next sweep."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
