"""Compiled loops that share their rows out to threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_parts(size: int, part: Callable[[int, int], Result]) -> list[Result]:
    """``part(first, last)`` of consecutive parts of ``size`` rows, one for each thread that torch takes.

    ``part`` must let go of the interpreter where it works. The parts depend on the number of threads alone.
    """
    threads = min(torch.get_num_threads(), size)
    if threads <= 1:
        return [part(0, size)]
    bounds = [size * number // threads for number in range(threads + 1)]
    others = [_pool(os.getpid()).submit(part, *bounds[number : number + 2]) for number in range(1, threads)]
    return [part(*bounds[:2]), *(other.result() for other in others)]


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """A process that was forked has none of its parent's threads."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="tailwise")
