"""What the compiled modules have in common: when they may run, and the threads that share their work."""

from __future__ import annotations

import ctypes
from typing import Protocol

import torch


class SharesWork(Protocol):
    """A compiled module whose functions take their work in parts."""

    def threads_of(self, address: int, /) -> None:
        """Let the parts be run by the function at the address, which is ``GOMP_parallel`` or called like it."""


def nothing_traces() -> bool:
    """Whether operations are computed as they are called: a compiler or a transform would not see a compiled loop."""
    return (
        not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
    )


def share_torchs_threads(module: SharesWork | None) -> bool:
    """Let a module's parts be run by the threads of torch's own OpenMP, where it is one that can be asked for it."""
    try:
        function = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return False
    address = ctypes.cast(function, ctypes.c_void_p).value
    if module is None or address is None:
        return False
    module.threads_of(address)
    return True
