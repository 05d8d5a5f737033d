"""What the compiled modules have in common: when they may run, and how their rows are shared out to threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TypeVar

import torch

Result = TypeVar("Result")


def nothing_traces() -> bool:
    """Whether operations are computed as they are called: a compiler or a transform would not see a compiled loop."""
    return (
        not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
    )


def parts_of(rows: int) -> list[tuple[int, int]]:
    """First row and end of consecutive parts, one for each thread that torch takes; they depend on its count alone."""
    threads = max(min(torch.get_num_threads(), rows), 1)
    return list(pairwise(rows * number // threads for number in range(threads + 1)))


def in_parts(rows: int, part: Callable[[int, int], Result]) -> list[Result]:
    """``part(first, end)`` of every part of the rows; ``part`` must let go of the interpreter where it works."""
    own, *others = parts_of(rows)
    running = [_pool(os.getpid()).submit(part, *bounds) for bounds in others]
    return [part(*own), *(other.result() for other in running)]


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """A process that was forked has none of its parent's threads."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="tailwise")
