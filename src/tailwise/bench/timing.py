"""Timing of several things side by side: in turns, so that what slows the machine down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

Name = TypeVar("Name")
WARM_UP = 2


def in_turns(
    runs: Mapping[Name, Callable[[], object]], repeats: int, calls: int = 1, device: str = "cpu"
) -> dict[Name, list[float]]:
    """Seconds of a call of each, ``repeats`` times over, each time the mean of ``calls`` calls one after the other."""
    seconds: dict[Name, list[float]] = {name: [] for name in runs}
    for turn in range(-WARM_UP, repeats):
        for name, run in runs.items():
            _finish(device)
            began = time.perf_counter()
            for _ in range(calls):
                run()
            _finish(device)
            if turn >= 0:
                seconds[name].append((time.perf_counter() - began) / calls)
    return seconds


def median_ratio(seconds: list[float], reference: list[float]) -> float:
    """Median over the turns of the ratio of two that were measured in turns."""
    return statistics.median(one / other for one, other in zip(seconds, reference, strict=True))


def _finish(device: str) -> None:
    """A GPU works on after the call has returned."""
    if device == "cuda":
        torch.cuda.synchronize()
