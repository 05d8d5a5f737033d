"""A real Ray cluster on this machine: several nodes of one CPU each, any of which can be killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
STORE = 80 * 2**20
QUICK_DEATHS = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}
"""A node counts as dead after two seconds, not fifteen."""


@contextmanager
def ray_cluster(workers: int) -> Iterator[Any]:
    """A head without a CPU and so many nodes with one each; Ray's own ``Cluster``."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": QUICK_DEATHS}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(workers):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        yield cluster
    finally:
        cluster.shutdown()


def kill_node(cluster: Any) -> None:
    """One of the workers, and at once: its processes hear nothing of it."""
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)


def training_process(run: Path) -> int | None:
    """The process that trains in a run directory."""
    try:
        return int((run / "state" / "holder").read_text().split()[-1])
    except FileNotFoundError:
        return None


def wait_until(reached: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)
