"""Several processes that train together: whose samples are whose, sums over all, and batches put together again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

AVAILABLE = torch.distributed.is_available()

_sees_whole_batches = False


def is_first_process() -> bool:
    """Whether this is the first of the processes that torchrun, SLURM or Fabric began, by what they tell each."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"))


def leave_group(code: int) -> None:
    """Take leave of the other processes, if there are any; on failure, with ``code``, end at once.

    What is at work for a group that others have left already can break a process that ends by and by.
    """
    if not (AVAILABLE and torch.distributed.is_initialized()):
        return
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    torch.distributed.destroy_process_group()


def is_distributed() -> bool:
    """Whether this process sees a part of each batch only, and others of its group see the rest."""
    return AVAILABLE and torch.distributed.is_initialized() and not _sees_whole_batches


@contextmanager
def whole_batches() -> Iterator[None]:
    """While every process of the group is given the whole of each batch, there is nothing to be summed."""
    global _sees_whole_batches
    before, _sees_whole_batches = _sees_whole_batches, True
    try:
        yield
    finally:
        _sees_whole_batches = before


def summed_over_ranks(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The sums of the tensors over all processes that train together; in one process the tensors themselves."""
    if is_distributed():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
    return tensors


@dataclass(frozen=True)
class Share:
    """The rows of each batch that one of several processes works on: as many as the others have, or one more."""

    rank: int = 0
    processes: int = 1

    def rows(self, count: int) -> slice:
        """Of a batch of ``count``; none where there are fewer than processes."""
        each, more = divmod(count, self.processes)
        first = self.rank * each + min(self.rank, more)
        return slice(first, first + each + (self.rank < more))

    def sizes(self, count: int) -> list[int]:
        """How many rows of a batch of ``count`` each process has."""
        shares = (Share(rank, self.processes).rows(count) for rank in range(self.processes))
        return [rows.stop - rows.start for rows in shares]

    def gathered(self, own: Tensor, count: int) -> Tensor:
        """The rows of all processes, (count, ...), of this one's (b, ...).

        The gradient goes back to the own rows, ``processes`` times as large: every process computes the same of the
        whole batch, and what averages the gradients of the parameters over the processes then has their sum.
        """
        if self.processes == 1:
            return own
        if own.requires_grad and torch.is_grad_enabled():
            whole: Tensor = _Gathered.apply(own, self, count)  # type: ignore[no-untyped-call]
            return whole
        return self._gather(own, count)

    def _gather(self, own: Tensor, count: int) -> Tensor:
        sizes = self.sizes(count)
        # Collectives want the same number of rows from everyone.
        padded = own.new_zeros((max(sizes), *own.shape[1:]))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        torch.distributed.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


ALONE = Share()
"""Of one process, which has every row."""


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share, count: int) -> Tensor:
        ctx.rows, ctx.processes = share.rows(count), share.processes
        return share._gather(own, count)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[ctx.rows] * ctx.processes, None, None
