"""What a node of a Ray cluster does for a sweep: train one run in the directory that it shares with the others."""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import tailwise
from tailwise.training.engine import RunOptions
from tailwise.training.sweep import Job, train_job

SEEN_WITHIN = 10.0
"""Seconds after which a network file system shows to all what one has just written."""


@dataclass(frozen=True)
class Order:
    """What a node is asked for.

    version: of the package, which must be the same everywhere.
    folder: where the command was typed, for relative paths in the recipe; a node may be without it.
    shared: files and folders that a node must see, the data and a file where the runs go.
    """

    version: str
    folder: Path
    shared: tuple[Path, ...]
    job: Job
    options: RunOptions


@dataclass(frozen=True)
class Answer:
    """How it went: nothing to say where the run is finished.

    unusable: the node itself cannot be used, or what it was given.
    """

    reason: str | None = None
    unusable: bool = False


def train_on_node(order: Order) -> Answer:
    """Train the run of an order, from its last checkpoint where there is one."""
    node = platform.node()
    if order.version != tailwise.__version__:
        reason = f"has tailwise {tailwise.__version__}, not {order.version}; install the same version on every node"
        return Answer(f"node {node} {reason}", unusable=True)
    if unseen := _unseen(order.shared):
        what = f"the folder of the runs, {unseen.parent}" if unseen == order.shared[0] else str(unseen)
        reason = f"does not see {what}; put the runs and the data where every node has them under the same path"
        return Answer(f"node {node} {reason}", unusable=True)
    with suppress(OSError):
        os.chdir(order.folder)
    # A process that died may still hold the directory, and one on a node that was cut off may still train in it.
    options = replace(order.options, resume=True, wait=True)
    failure = train_job(order.job, options, stop_at_bad_input=False)
    return Answer() if failure is None else Answer(f"{failure.reason} (on node {node})", failure.bad_input)


def _unseen(shared: tuple[Path, ...]) -> Path | None:
    """The first that this node does not see, which is given a little time."""
    deadline = time.monotonic() + SEEN_WITHIN
    while unseen := next((path for path in shared if not path.exists()), None):
        if time.monotonic() > deadline:
            return unseen
        time.sleep(0.5)
    return None
