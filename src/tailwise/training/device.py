"""Where a run computes: the devices, the threads of the CPU, and the precision."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import nn
from torch.distributed.device_mesh import DeviceMesh

from tailwise.errors import InputError
from tailwise.recipes.config import Recipe

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
MOST_CPU_PROCESSES = 1024
Parallel: TypeAlias = Literal["ddp", "fsdp"]


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


def launched_with(devices: int | None, nodes: int) -> tuple[int, int]:
    """How many devices of each machine and how many machines train, where torchrun may have begun the processes."""
    if devices is not None or "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices or 1, nodes
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return local, int(os.environ["WORLD_SIZE"]) // local


def build_fabric(
    recipe: Recipe, device: Device, devices: int = 1, nodes: int = 1, parallel: Parallel = "ddp"
) -> Fabric:
    """Fabric for the recipe's precision; cuDNN becomes deterministic.

    Args:
        recipe: of the run.
        device: of which kind.
        devices: how many of each machine, a process each.
        nodes: how many machines.
        parallel: how several processes hold the network: each the whole, or each a part.

    Raises:
        InputError: there are no such devices, or they have not the precision.
    """
    accelerator = chosen_device(device)
    if recipe.training.precision == "16-mixed" and accelerator == "cpu":
        raise InputError("training.precision 16-mixed needs a GPU; use bf16-mixed or 32-true")
    if accelerator == "cpu" and devices > MOST_CPU_PROCESSES:
        raise InputError(f"--devices on a CPU must be at most {MOST_CPU_PROCESSES} processes, got {devices}")
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise InputError(f"--devices must be at most the {torch.cuda.device_count()} GPUs there are, got {devices}")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    strategy: Strategy | str = "auto"
    if devices * nodes > 1:
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # every process would tell its number
        strategy = DDPStrategy(gradient_as_bucket_view=True)
        if parallel == "fsdp":
            strategy = ModelParallelStrategy(_sharded, data_parallel_size=devices * nodes, tensor_parallel_size=1)
    return Fabric(
        accelerator=accelerator,
        strategy=strategy,
        devices=devices,
        num_nodes=nodes,
        # Fabric's double precision would bring the logits back to single.
        precision="32-true" if recipe.training.precision == "64-true" else recipe.training.precision,
    )


def _sharded(network: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """The head, which may be nearly all of it, by itself, so that it is gathered when it is needed and not before."""
    from torch.distributed.fsdp import fully_shard

    for child in network.children():
        if any(True for _ in child.parameters()):
            fully_shard(child, mesh=mesh["data_parallel"])
    fully_shard(network, mesh=mesh["data_parallel"])
    return network
