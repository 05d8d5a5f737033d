"""The processes that train one run together: whose rows are whose, who writes, and how all end with one."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import nn

from tailwise.distributed import Share, whole_batches
from tailwise.errors import InputError, StoppedError, TrainingError
from tailwise.models.whole_batch_norm import WholeBatchStatistics

MESSAGE_BYTES = 4096
SECONDS_BETWEEN_LOOKS = 1.0


class Processes:
    """One process and those that it trains with, by Fabric; alone as a rule.

    Every process prepares the order of the samples, the random numbers and the loss of whole batches; the network sees
    the own rows alone. So the result is that of one process, whatever the loss, up to rounding.

    Attributes:
        share: the rows of this process.
        first: whether this is the one that writes the run directory.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.share = Share(fabric.global_rank, fabric.world_size)
        self.first = fabric.is_global_zero

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.share.processes > 1

    @property
    def in_parts(self) -> bool:
        """Whether each process holds a part of the network only."""
        return isinstance(self.fabric.strategy, ModelParallelStrategy)

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """What goes wrong in one process alone in this block ends all of them, and the first says so.

        Nothing in the block may wait for another process.

        Raises:
            InputError: what went wrong, in the first process; where it was in another one, with its number and host.
            StoppedError: in the others.
        """
        if not self.several:
            yield
            return
        error: Exception | None = None
        try:
            yield
        except Exception as caught:
            error = caught
        told = "" if error is None else str(error) or type(error).__name__
        said = self._said(told if self.first or not told else f"{told} (on {socket.gethostname()})")
        wrong = next((number for number, text in enumerate(said) if text), None)
        if wrong is None:
            return
        if not self.first:
            raise StoppedError from error
        raise error or InputError(f"process {wrong} of {self.share.processes}: {said[wrong]}")

    def _said(self, message: str) -> list[str]:
        """The messages of all processes."""
        encoded = message.encode(errors="backslashreplace")[:MESSAGE_BYTES]
        padded = torch.zeros(MESSAGE_BYTES, dtype=torch.uint8)
        padded[: len(encoded)] = torch.frombuffer(bytearray(encoded or b"\0"), dtype=torch.uint8)[: len(encoded)]
        texts = self.share.gathered(padded.unsqueeze(0).to(self.fabric.device), self.share.processes).cpu()
        return [bytes(text.tolist()).rstrip(b"\0").decode(errors="replace") for text in texts]

    def same(self, text: str, complaint: str) -> None:
        """Refuse to train on what differs between the processes.

        Raises:
            InputError: in the first process: the complaint.
            StoppedError: in the others.
        """
        if self.several and len(set(self._said(text))) > 1:
            raise InputError(complaint) if self.first else StoppedError

    def first_says(self, value: bool) -> bool:
        """What the first process has found."""
        if not self.several:
            return value
        flag = torch.tensor([value], dtype=torch.uint8, device=self.fabric.device)
        torch.distributed.broadcast(flag, 0)
        return bool(flag)

    def all_say(self, value: torch.Tensor) -> bool:
        """Whether it is true, a tensor of one bool on the device, in every process."""
        flag = value.to(torch.uint8)
        if self.several:
            torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MIN)
        return bool(flag)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Losses are given whole batches; the end of one process is the end of all, and one of them says why.

        Raises:
            TrainingError: another process is gone, and none has said why.
            StoppedError: another one has.
        """
        if not self.several:
            yield
            return
        _end_with_parent(self.fabric)
        try:
            with whole_batches():
                yield
            torch.distributed.barrier()
        except StoppedError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            lost = _is_lost_connection(error)
            # Of a first process that is gone, which has the store, tells whoever began it.
            if (lost and not self.first) or not _is_first_to_say(isinstance(error, InputError)):
                raise StoppedError(self.first and _was_bad_input()) from error
            if lost:
                gone = f"another of the {self.share.processes} processes is gone; go on with --resume"
                raise TrainingError(gone) from error
            raise

    def forward(self, samples: int, seed: int, *position: int) -> AbstractContextManager[object]:
        """For the forward pass of the network on own rows: statistics of whole batches, random numbers of one's own.

        Args:
            samples: of the whole batch.
            seed: of the run.
            *position: in it, from which the random numbers follow.
        """
        stack = ExitStack()
        if self.several:
            # Those of torch's generator stay the same in all processes, and what a loss draws with them.
            devices = [self.fabric.device] if self.fabric.device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(devices))
            own = np.random.SeedSequence((seed, *position, self.share.rank)).generate_state(1, np.uint64)
            torch.manual_seed(int(own[0]))
            stack.enter_context(WholeBatchStatistics(self.share.processes, samples == 1))
        return stack


def _is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, torch.distributed.DistError):
        return True
    text = str(error).lower()  # gloo's are no more than this
    return type(error) is RuntimeError and ("gloo" in text or "connection" in text)


def _is_first_to_say(bad_input: bool) -> bool:
    """Whether no other process has said why all end; the one that asks first is to do so."""
    try:
        store = _store()
        first: bool = store.add("tailwise/said", 1) == 1
        if first and bad_input:
            store.set("tailwise/bad input", "yes")
        return first
    except RuntimeError:
        return True


def _was_bad_input() -> bool:
    """Whether that is why the process that said so has ended."""
    return bool(_store().check(["tailwise/bad input"]))


def _store() -> Any:
    """By which the processes of a group found one another; there is no public way to it."""
    return torch.distributed.distributed_c10d._get_default_store()


def _end_with_parent(fabric: Fabric) -> None:
    """A process that the first one of its machine started ends with it, even out of a collective that never returns."""
    launcher = fabric.strategy.launcher
    if launcher is None or fabric.local_rank == 0 or not hasattr(launcher, "procs"):
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def own_part(weight: torch.Tensor) -> torch.Tensor:
    """What this process holds of it; itself where the network is whole."""
    part: torch.Tensor = weight.to_local() if hasattr(weight, "to_local") else weight
    return part


class WholeModule:
    """The state of a network of which each process holds a part; all must ask for it, and give it back, together."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def state_dict(self) -> dict[str, Any]:
        """Of the whole, in every process."""
        from torch.distributed.checkpoint import state_dict as whole  # seconds to import, and rarely of use

        return whole.get_model_state_dict(self.module, options=whole.StateDictOptions(full_state_dict=True))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the own part of it."""
        from torch.distributed.checkpoint import state_dict as whole

        whole.set_model_state_dict(self.module, state_dict, options=whole.StateDictOptions(full_state_dict=True))


class WholeOptimizer:
    """The state of the optimiser of such a network, as :class:`WholeModule`, numbered as that of one process is."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.module, self.optimizer = module, optimizer

    def state_dict(self) -> dict[str, Any]:
        """Of the whole, in every process."""
        from torch.distributed.checkpoint import state_dict as whole

        options = whole.StateDictOptions(full_state_dict=True)
        named = whole.get_optimizer_state_dict(self.module, self.optimizer, options=options)
        numbers = {name: number for number, name in enumerate(_names(named))}
        return _renamed(named, numbers)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the own part of it."""
        from torch.distributed.checkpoint import state_dict as whole

        options = whole.StateDictOptions(full_state_dict=True)
        own = whole.get_optimizer_state_dict(self.module, self.optimizer, options=options)
        named = _renamed(state_dict, dict(enumerate(_names(own))))
        whole.set_optimizer_state_dict(self.module, self.optimizer, named, options=options)


def _names(state: dict[str, Any]) -> list[Any]:
    """Of the parameters, in the order of the groups."""
    return [name for group in state["param_groups"] for name in group["params"]]


def _renamed(state: dict[str, Any], names: dict[Any, Any]) -> dict[str, Any]:
    return {
        "state": {names[name]: value for name, value in state["state"].items()},
        "param_groups": [
            {**group, "params": [names[name] for name in group["params"]]} for group in state["param_groups"]
        ],
    }
