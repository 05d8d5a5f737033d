"""Where a run computes: the device, the threads of the CPU, and the precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch
from lightning_fabric import Fabric

from tailwise.errors import InputError
from tailwise.recipes.config import Recipe

Device: TypeAlias = Literal["auto", "cpu", "cuda"]


@contextmanager
def threads_restored() -> Iterator[None]:
    """Leave torch with as many threads as it had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def set_threads(threads: int | None) -> None:
    """Let torch take as many; None leaves the number as it is.

    Raises:
        InputError: there are fewer cores.
    """
    if threads is None:
        return
    if threads > available_cores():
        raise InputError(f"--threads must be at most the {available_cores()} cores there are, got {threads}")
    torch.set_num_threads(threads)


def chosen_device(device: Device) -> Literal["cpu", "cuda"]:
    """Where "auto" computes.

    Raises:
        InputError: CUDA was asked for where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda was asked for, but torch sees no CUDA device; take cpu or auto")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_fabric(recipe: Recipe, device: Device) -> Fabric:
    """Fabric for the recipe's precision on one device; cuDNN becomes deterministic.

    Raises:
        InputError: there is no such device, or it has not the precision.
    """
    accelerator = chosen_device(device)
    if recipe.training.precision == "16-mixed" and accelerator == "cpu":
        raise InputError("training.precision 16-mixed needs a GPU; use bf16-mixed or 32-true")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return Fabric(accelerator=accelerator, devices=1, precision=recipe.training.precision)
