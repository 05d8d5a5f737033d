"""How a command ends when it is told to: in order, with its line, by Ctrl-C, ``kill`` and a closed terminal alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def stopped_in_order() -> Iterator[None]:
    """Let each of these signals interrupt a command, as Ctrl-C does; what is ignored, as by ``nohup``, stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _set(_interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _patience:  # Python itself is not done for a second yet
            _set(signal.SIG_IGN)


def end_at_once() -> None:
    """Let SIGTERM and SIGHUP end the process by themselves.

    For one of several processes, which may be waiting for another where no handler of Python's is called.
    """
    for number in STOPPING:
        if signal.getsignal(number) is _interrupt and number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: object) -> None:
    """A second one does not break off what the first has begun; the third ends the process."""
    _set(_patience)
    raise KeyboardInterrupt


def _patience(number: int, frame: object) -> None:
    _set(signal.SIG_DFL)


def _set(handler: signal._HANDLER) -> None:
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
