"""What Ctrl-C does for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_handled_by(handler: signal.Handlers) -> Iterator[None]:
    """Give SIGINT to ``signal.SIG_IGN`` or ``signal.SIG_DFL``; processes that begin meanwhile inherit the first.

    In a thread nothing is changed: Python sets handlers in the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
