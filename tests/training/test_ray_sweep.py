"""Runs as tasks of Ray: nothing is lost and nothing run twice when processes and nodes die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ray_cluster import kill_node, ray_cluster, training_process, wait_until
from recipe_trees import ignore, quick_recipe, sweep_jobs
from tailwise.errors import InputError
from tailwise.training import ray_sweep as ray_sweep_module
from tailwise.training.engine import RunOptions
from tailwise.training.ray_node import Order, train_on_node
from tailwise.training.ray_sweep import Cluster, ray_sweep
from tailwise.training.run_directory import RunDirectory
from tailwise.training.sweep import RETRIES, Job, run_directory, sweep

OPTIONS = RunOptions(threads=1, device="cpu")


def weights(out: Path) -> dict[str, bytes]:
    return {file.parent.relative_to(out).as_posix(): file.read_bytes() for file in out.rglob("weights.safetensors")}


def epochs_on_record(job: Job) -> list[int]:
    return [json.loads(line)["epoch"] for line in RunDirectory(job.out).metrics()]


def parts(job: Job) -> int:
    """In how many parts a run was trained."""
    return 1 + len(json.loads((job.out / "environment.json").read_text()).get("resumed", ()))


def test_own_ray_gives_the_weights_of_one_process_and_is_shut_down(tmp_path: Path) -> None:
    import ray

    lines: list[dict[str, Any]] = []
    assert sweep(sweep_jobs(tmp_path / "one"), OPTIONS, 1, ignore) == []
    assert ray_sweep(sweep_jobs(tmp_path / "ray"), OPTIONS, Cluster(at_once=1), lines.append) == []
    assert not ray.is_initialized()
    assert weights(tmp_path / "ray") == weights(tmp_path / "one")
    assert sorted(line["epoch"] for line in lines) == [epoch for epoch in (1, 2, 3) for _ in range(4)]
    assert list((tmp_path / "ray").rglob(".sweep-*")) == []
    # Another sweep has nothing left to do, and does not start Ray for it.
    assert ray_sweep(sweep_jobs(tmp_path / "ray"), OPTIONS, Cluster("no-such-host:1"), lines.append) == []


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cpus": 0.0}, "--cpus-per-run must be above 0"),
        ({"cpus": float("nan")}, "--cpus-per-run must be above 0 and a finite number"),
        ({"gpus": 2.0}, "--gpus-per-run must be at least 0 and at most 1"),
    ],
)
def test_share_of_a_node_that_no_run_can_have_is_refused(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Cluster(**wrong)  # type: ignore[arg-type]


def test_node_that_does_not_see_the_folder_of_the_runs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailwise.training.ray_node.SEEN_WITHIN", 0.0)
    (job, *_) = sweep_jobs(tmp_path)
    order = Order(ray_sweep_module.tailwise.__version__, tmp_path, (tmp_path / ".sweep-0",), job, OPTIONS)
    answer = train_on_node(order)
    assert answer.unusable
    assert f"does not see the folder of the runs, {tmp_path}; put the runs" in (answer.reason or "")
    assert not job.out.exists()


def test_node_with_another_version_says_so(tmp_path: Path) -> None:
    answer = train_on_node(Order("0.0.1", tmp_path, (), sweep_jobs(tmp_path)[0], OPTIONS))
    assert answer.unusable
    assert "not 0.0.1; install the same version on every node" in (answer.reason or "")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster(workers=3) as cluster:
        yield cluster


@pytest.mark.long
def test_killed_node_loses_nothing_and_nothing_is_run_twice(tmp_path: Path, cluster: Any) -> None:
    long = "training.epochs=150"
    todo, lines, deaths = sweep_jobs(tmp_path / "ray", long), list[dict[str, Any]](), list[str]()
    assert sweep(sweep_jobs(tmp_path / "one", long), OPTIONS, 1, ignore) == []

    def kill_one(line: dict[str, Any]) -> None:
        lines.append(line)
        if len(lines) == 100:
            kill_node(cluster)

    assert ray_sweep(todo, OPTIONS, Cluster(cluster.address), kill_one, deaths.append) == []
    assert weights(tmp_path / "ray") == weights(tmp_path / "one")
    assert all(epochs_on_record(job) == list(range(1, 151)) for job in todo)
    assert len(lines) == 4 * 150
    assert len(deaths) == 1
    assert sum(map(parts, todo)) == 4 + len(deaths)


@pytest.mark.long
def test_run_whose_process_dies_over_and_over_is_told_and_stops_no_other(tmp_path: Path, cluster: Any) -> None:
    doomed, *others = sweep_jobs(tmp_path, "training.epochs=40")
    doomed = replace(doomed, recipe=quick_recipe("ce", 0, "training.epochs=100000", "data.profile.max_count=100"))
    deaths: list[str] = []
    over = threading.Event()

    def kill_each() -> None:
        killed = set()
        while not over.wait(0.005):
            victim = training_process(doomed.out)
            if victim is not None and victim not in killed:
                killed.add(victim)
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill_each)
    killer.start()
    try:
        failures = ray_sweep([doomed, *others], OPTIONS, Cluster(cluster.address), ignore, deaths.append)
    finally:
        over.set()
        killer.join()
    assert [failure.job.out for failure in failures] == [doomed.out]
    assert "its process died 4 times in epoch" in failures[0].reason
    assert "the same command goes on from here" in failures[0].reason
    assert all(RunDirectory(job.out).finished for job in others)
    assert len(deaths) >= RETRIES


@pytest.mark.long
def test_run_that_fails_in_training_fails_alone_and_bad_input_stops_the_sweep(tmp_path: Path, cluster: Any) -> None:
    broken = quick_recipe("ce", 9, "optimizer.name=sgd", "optimizer.lr=1e30")
    todo = [Job(broken, run_directory(tmp_path, broken), ""), *sweep_jobs(tmp_path)]
    failures = ray_sweep(todo, OPTIONS, Cluster(cluster.address), ignore)
    assert [failure.job.out.name for failure in failures] == ["seed-9"]
    assert "the loss became" in failures[0].reason
    assert all(RunDirectory(job.out).finished for job in todo[1:])
    bad = sweep_jobs(tmp_path / "bad", "data.profile.max_count=5000")
    with pytest.raises(InputError, match="5000 were asked for"):
        ray_sweep(bad, OPTIONS, Cluster(cluster.address), ignore)


@pytest.mark.long
def test_what_no_node_has_is_refused_at_once(tmp_path: Path, cluster: Any) -> None:
    told = "a run is to have 2 CPUs and 0 GPUs of one node, and the nodes have .*; lower --cpus-per-run"
    with pytest.raises(InputError, match=told):
        ray_sweep(sweep_jobs(tmp_path), OPTIONS, Cluster(cluster.address, cpus=2.0), ignore)
    with pytest.raises(InputError, match="device cuda needs GPUs of the cluster"):
        ray_sweep(sweep_jobs(tmp_path), replace(OPTIONS, device="cuda"), Cluster(cluster.address), ignore)
    with pytest.raises(InputError, match="a run with --device cpu needs no GPU"):
        ray_sweep(sweep_jobs(tmp_path), OPTIONS, Cluster(cluster.address, gpus=0.5), ignore)


@pytest.mark.long
@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGKILL])
def test_ended_command_ends_its_tasks(tmp_path: Path, cluster: Any, signal_: signal.Signals) -> None:
    words = ["compare", "digits/long-tailed-if20", "--out", str(tmp_path), "--set", "training.epochs=100000"]
    command = subprocess.Popen(
        [sys.executable, "-m", "tailwise", *words, "--backend", "ray", "--address", cluster.address],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: list(tmp_path.rglob("last.safetensors")) or command.poll() is not None)
    command.send_signal(signal_)
    _, error = command.communicate(timeout=60)
    if signal_ is signal.SIGINT:
        assert command.returncode == 1
        assert "Traceback" not in error
        assert "stopped; the same command goes on from here" in error
        assert list(tmp_path.rglob(".sweep-*")) == []
    victims = {training_process(file.parents[1]) for file in tmp_path.rglob("holder")} - {None}
    wait_until(lambda: not any(Path(f"/proc/{victim}").exists() for victim in victims), 30)
    lengths = {file: file.stat().st_size for file in tmp_path.rglob("metrics.jsonl")}
    time.sleep(0.5)
    assert lengths == {file: file.stat().st_size for file in tmp_path.rglob("metrics.jsonl")}


@pytest.mark.long
def test_runs_that_no_node_is_left_for_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_sweep_module, "NODES_SECONDS", 0.5)
    monkeypatch.setattr(ray_sweep_module, "ALONE_SECONDS", 2.0)
    todo = sweep_jobs(tmp_path, "training.epochs=100000")
    with ray_cluster(workers=1) as lonely:

        def kill_it(line: dict[str, Any]) -> None:
            if lonely.worker_nodes:
                kill_node(lonely)

        failures = ray_sweep(todo, OPTIONS, Cluster(lonely.address), kill_it)
    assert {failure.job.out for failure in failures} == {job.out for job in todo}
    assert all("no node of the cluster has room for it any more" in failure.reason for failure in failures)
