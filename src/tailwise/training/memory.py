"""Memory that training frees stays with the process, for the next step."""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Numbers of glibc's ``malloc.h``."""
LARGEST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """Let the C library keep what tensors on the CPU free, instead of giving it back to the system.

    A step allocates what the step before has freed. By default glibc returns large blocks, and the system then clears
    every page of them again when it is touched: up to a fifth of a step of a small network. For this process, until
    it ends; its memory then stays at the highest it has needed.

    Returns:
        Whether the C library is one that can be told so (glibc, that is most of Linux); otherwise nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, LARGEST))
