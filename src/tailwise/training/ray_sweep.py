"""Train many runs on a Ray cluster: those of processes and nodes that die go on elsewhere from their last epoch.

Nothing but orders and answers goes through Ray. The runs are in a folder that all nodes share, and how far they are is
read there.
"""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tailwise
from tailwise.errors import InputError, first_line
from tailwise.extras import require_extra
from tailwise.hyperparameters import in_range, whole_number
from tailwise.training.device import available_cores
from tailwise.training.engine import RunOptions
from tailwise.training.ray_node import Answer, Order, train_on_node
from tailwise.training.run_directory import RunDirectory
from tailwise.training.sweep import (
    LOOK_SECONDS,
    Attempt,
    Failure,
    Job,
    OnDeath,
    Report,
    check_places,
    check_settings,
    note,
)

NODES_SECONDS = 10.0
ALONE_SECONDS = 60.0
"""How long there may be no node with room for a run before those that are left are given up."""
ANSWER_SECONDS = 10.0
OBJECT_STORE = 80 * 2**20
"""Bytes of a Ray instance of our own, about the least that Ray takes: nothing of ours goes through it."""


@dataclass(frozen=True)
class Cluster:
    """Where a sweep runs, and what of it a run takes.

    address: of a cluster, HOST:PORT or "auto" for that of this machine; by default RAY_ADDRESS, and without one Ray is
        started on this machine and ended with the sweep.
    cpus: of a run; several share one below 1.
    gpus: of a run, from 0 to 1; by default 1 where there are any and the device is not the CPU.
    at_once: runs at a time; by default as many as there is room for.

    Raises:
        InputError: a number is out of its range.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float | None = None
    at_once: int | None = None

    def __post_init__(self) -> None:
        try:
            in_range("--cpus-per-run", self.cpus, above=0)
            in_range("--gpus-per-run", self.gpus or 0, at_least=0, at_most=1)
            whole_number("--jobs", self.at_once or 1, at_least=1)
        except ValueError as error:
            raise InputError(str(error)) from error

    @property
    def threads(self) -> int:
        """Of a run, unless the user says otherwise."""
        return max(1, int(self.cpus))


def ray_sweep(
    jobs: Sequence[Job],
    options: RunOptions,
    cluster: Cluster,
    on_epoch: Report,
    on_death: OnDeath = note,
) -> list[Failure]:
    """Train every job as a task of Ray; finished runs are left as they are, interrupted ones go on.

    Args:
        jobs: what to train.
        options: for every run.
        cluster: where, and with how much of it.
        on_epoch: called in this process with each line of ``metrics.jsonl``.
        on_death: called with a sentence when a run goes on elsewhere after its process or node has died.

    Returns:
        The jobs that failed in training, whose processes died over and over, or that no node has room for any more.

    Raises:
        InputError: Ray is not installed, there is no such cluster, no node has room for a run, a node does not see the
            directory, two jobs have one directory, or a run's data, recipe or directory cannot be used.
    """
    check_places(jobs)
    check_settings(jobs)
    jobs = [replace(job, out=job.out.absolute()) for job in jobs]
    todo = [job for job in jobs if not RunDirectory(job.out).finished]
    if not todo:
        return []
    with _connected(cluster.address) as ray, _mark(todo) as mark:
        gpus = _gpus(cluster, options, ray)
        if not gpus:  # without a share of a GPU a run must not take one that others have to themselves
            options = replace(options, device="cpu")
        shared = [mark]
        if options.data_root is not None and options.data_root.exists():
            shared.append(options.data_root.absolute())
            options = replace(options, data_root=shared[1])
        task = ray.remote(num_cpus=cluster.cpus, num_gpus=gpus, max_retries=0)(train_on_node)

        def submit(job: Job) -> Any:
            return task.remote(Order(tailwise.__version__, Path.cwd(), tuple(shared), job, options))

        sweep = _Sweep(ray, submit, lambda: _room(ray, cluster.cpus, gpus), on_epoch, on_death)
        return sweep.run(todo, cluster.at_once or len(todo))


class _Sweep:
    """The runs of a sweep: those that wait, and those that Ray has."""

    def __init__(
        self,
        ray: Any,
        submit: Callable[[Job], Any],
        has_room: Callable[[], bool],
        on_epoch: Report,
        on_death: OnDeath,
    ) -> None:
        self.ray = ray
        self.submit = submit
        self.has_room = has_room
        self.on_epoch = on_epoch
        self.on_death = on_death
        self.waiting: deque[Attempt] = deque()
        self.running: dict[Any, Attempt] = {}
        self.failures: list[Failure] = []

    def run(self, jobs: Sequence[Job], at_once: int) -> list[Failure]:
        """Until every job is finished or has failed."""
        self.waiting.extend(Attempt(job, RunDirectory(job.out).epochs) for job in jobs)
        last_room = looked = time.monotonic()
        while self.waiting or self.running:
            while self.waiting and len(self.running) < at_once:
                attempt = self.waiting.popleft()
                self.running[self.submit(attempt.job)] = attempt
            done, _ = self.ray.wait(list(self.running), num_returns=len(self.running), timeout=LOOK_SECONDS)
            for attempt in self.running.values():
                attempt.report(self.on_epoch)
            for reference in done:
                self._end(reference)
            if time.monotonic() - looked >= NODES_SECONDS:
                looked = time.monotonic()
                last_room = looked if self.has_room() else last_room
                if looked - last_room >= ALONE_SECONDS:
                    self._give_up()
        return self.failures

    def _end(self, reference: Any) -> None:
        attempt = self.running.pop(reference)
        try:
            answer: Answer = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise InputError(f"a node lacks a library ({error.cause}); install the same on every node") from error
            raise error.cause from error  # as it is raised without Ray
        except self.ray.exceptions.RayError as error:
            self._died(attempt, error)
            return
        attempt.report(self.on_epoch)
        if answer.unusable:
            raise InputError(answer.reason)
        if answer.reason is not None:
            self.failures.append(Failure(attempt.job, answer.reason))

    def _died(self, attempt: Attempt, error: Exception) -> None:
        how = "ran out of memory" if isinstance(error, self.ray.exceptions.OutOfMemoryError) else "died"
        if failure := attempt.died(how, self.on_death):
            self.failures.append(failure)
        else:
            self.waiting.appendleft(attempt)

    def _give_up(self) -> None:
        """Nobody is left to train the rest."""
        reason = "no node of the cluster has room for it any more; the same command goes on from here"
        self.failures += [Failure(attempt.job, reason) for attempt in (*self.running.values(), *self.waiting)]
        self.running.clear()
        self.waiting.clear()


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster for this sweep alone: its tasks end with the connection, wherever they are.

    ``ray.cancel`` would do as well, if it did not bring down the process when a task ends at the same moment. What Ray
    says of dead workers is not printed where the table goes.
    """
    require_extra("--backend ray", "ray", "ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else Ray warns of what it will do one day
    import ray

    if ray.is_initialized():
        raise InputError("this process is connected to Ray already; end that with ray.shutdown() first")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address not in ("local", "auto"):
        _check_answers(address)
    own: dict[str, Any] = {}
    if address == "local":
        own = {"num_cpus": available_cores(), "include_dashboard": False, "object_store_memory": OBJECT_STORE}
    with redirect_stdout(io.StringIO()):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            why = first_line(error)
            if "AuthenticationError" in f"{error.__cause__}":
                why = "it asks for a token: set RAY_AUTH_MODE=token, see Ray's documentation of token authentication"
            raise _no_cluster(address, why) from error
        try:
            yield ray
        finally:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address at which nothing is, for which Ray itself takes minutes.

    Raises:
        InputError: it is none of a host and a port, or nobody answers.
    """
    match = re.fullmatch(r"([\w.-]+|\[[\da-fA-F:]+\]):(\d{1,5})", address)
    if match is None:
        raise InputError(
            f"--address takes HOST:PORT of a Ray cluster, or auto on a machine of one, got {address!r}; the command "
            "itself must see the folder of the runs, so type it on a machine of the cluster"
        )
    try:
        socket.create_connection((match[1].strip("[]"), int(match[2])), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, why: str) -> InputError:
    return InputError(
        f"cannot connect to a Ray cluster at {address} ({why}); start one with ray start --head, or leave out --address"
    )


@contextmanager
def _mark(jobs: Sequence[Job]) -> Iterator[Path]:
    """A file by which a node knows the folder of the runs: of the same path it may have another one."""
    folder = Path(os.path.commonpath([job.out.parent for job in jobs]))
    mark = folder / f".sweep-{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def _gpus(cluster: Cluster, options: RunOptions, ray: Any) -> float:
    """GPUs of a run.

    Raises:
        InputError: no node has room for a run, or the GPUs do not go with the device.
    """
    most = max((node["Resources"].get("GPU", 0) for node in _alive(ray)), default=0)
    gpus = cluster.gpus if cluster.gpus is not None else float(options.device != "cpu" and most >= 1)
    if options.device == "cpu" and gpus:
        raise InputError(f"a run with --device cpu needs no GPU, got --gpus-per-run {gpus:g}; leave out one of them")
    if options.device == "cuda" and not gpus:
        raise InputError("device cuda needs GPUs of the cluster; give --gpus-per-run, up to 1, or take --device cpu")
    if not _room(ray, cluster.cpus, gpus):
        there = (node["Resources"] for node in _alive(ray))
        told = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in there)
        raise InputError(
            f"a run is to have {cluster.cpus:g} CPUs and {gpus:g} GPUs of one node, and the nodes have {told}; lower "
            "--cpus-per-run or --gpus-per-run"
        )
    return gpus


def _room(ray: Any, cpus: float, gpus: float) -> bool:
    """Whether some node has as much, be it busy now."""
    return any(
        node["Resources"].get("CPU", 0) >= cpus and node["Resources"].get("GPU", 0) >= gpus for node in _alive(ray)
    )


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]
