"""Whether several processes train together, and sums over them."""

from __future__ import annotations

import torch
from torch import Tensor

AVAILABLE = torch.distributed.is_available()


def is_distributed() -> bool:
    """Whether this process belongs to a group of processes."""
    return AVAILABLE and torch.distributed.is_initialized()


def summed_over_ranks(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The sums of the tensors over all processes that train together; in one process the tensors themselves."""
    if is_distributed():
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
    return tensors
