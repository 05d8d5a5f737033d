"""Who trains in a run directory: a lock among the processes of one machine, signs of life between machines.

A lock ends with its process, but is no good across a network: many shared file systems have none that other machines
see. So whoever trains also leaves its name in a file and touches it every few seconds. Another machine takes the
directory over when the file has not changed for half a minute, by the clock of the one that waits; the one that stood
still sees the other's name before it writes again, and stops.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from tailwise.errors import InputError, TailwiseWarning, TrainingError

if sys.platform != "win32":
    import fcntl

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 30.0
"""Without a sign of life a process of another machine counts as dead; far above a beat, for storage that stalls."""
LOOK_SECONDS = 1.0


class TakenOverError(TrainingError):
    """Another process trains in the directory now, as this one had shown no sign of life."""


class Hold:
    """A run directory that this process trains in.

    Args:
        file: the name of whoever trains in it.
        name: of this process, unlike any other's.
    """

    def __init__(self, file: Path, name: str) -> None:
        self.file = file
        self.name = name

    def begin(self) -> None:
        """Put the name there, whole."""
        partial = self.file.with_name(f".{self.name.split()[0]}.partial")
        partial.write_text(self.name)
        partial.replace(self.file)

    def check(self) -> None:
        """To be asked before each write.

        Raises:
            TakenOverError: the directory is no longer this process's.
            TrainingError: it is gone.
        """
        if _read(self.file) == self.name:
            return
        place = self.file.parents[1]
        if not self.file.parent.is_dir():
            raise TrainingError(f"{place} is gone, deleted or no longer mounted; put it back and go on with --resume")
        raise TakenOverError(f"another process has taken over {place} while this one stood still; that one goes on")

    def beat(self, ended: threading.Event) -> None:
        """Show signs of life until the end; the file of whoever took the directory over is left alone."""
        while not ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # storage that stalls now may be back before the silence is too long
                if _read(self.file) != self.name:
                    return
                os.utime(self.file)


@contextmanager
def held(folder: Path, wait: bool = False) -> Iterator[Hold]:
    """Hold a run directory against all other processes, of this machine and of those that share its storage.

    Args:
        folder: of the run directory, for the lock and the name.
        wait: for another process to end, instead of refusing.

    Raises:
        InputError: another process trains in the directory, and one does not wait for it.
    """
    with (folder / "lock").open("w") as lock:
        locks_hold = _take_lock(lock, wait)
        file = folder / "holder"
        machine = _machine(folder)
        _await_silence(file, wait, machine if locks_hold else None)
        hold = Hold(file, f"{uuid.uuid4().hex} {machine} {platform.node()} {os.getpid()}\n")
        hold.begin()
        ended = threading.Event()
        beats = threading.Thread(target=hold.beat, args=(ended,), daemon=True)
        beats.start()
        try:
            yield hold
        finally:
            ended.set()
            beats.join()
            with suppress(OSError):
                if _read(file) == hold.name:
                    file.unlink()


def locked(file: IO[Any], wait: bool = False) -> bool:
    """Take the lock of an open file, which ends with the process; where there are none, nothing is held.

    Whether it was taken: it is not where another holds it, unless one waits for that.
    """
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _take_lock(lock: IO[Any], wait: bool) -> bool:
    """Whether it tells anything of the other processes of this machine: there are file systems without locks."""
    try:
        while not locked(lock):
            if not wait:
                place = Path(lock.name).parents[1]
                raise InputError(f"another process is training in {place}; wait for it or choose another --out")
            time.sleep(LOOK_SECONDS)
    except OSError:
        return False
    return sys.platform != "win32"


class _Sign(NamedTuple):
    name: str
    touched: int

    @property
    def machine(self) -> str:
        return next(iter(self.name.split()[1:2]), "")

    @property
    def process(self) -> str:
        """In words."""
        words = self.name.split()
        return f"process {words[3]} of {words[2]}" if len(words) == 4 else "another process"


def _await_silence(file: Path, wait: bool, machine: str | None) -> None:
    """Return when whoever left its name in the file is dead.

    Args:
        file: of the name.
        wait: for another process to end, instead of refusing.
        machine: of this process, if a lock tells anything there.
    """
    seen, since, told = _sign(file), time.monotonic(), False
    while seen is not None:
        if machine is not None and seen.machine == machine:
            return  # it had the lock that this process has now
        if not told:
            told = True
            place, seconds = file.parents[1], SILENCE_SECONDS
            message = f"{seen.process} has not left {place}; waiting up to {seconds:g} seconds for signs of its life"
            warnings.warn(message, TailwiseWarning, stacklevel=2)
        if time.monotonic() - since >= SILENCE_SECONDS:
            return
        time.sleep(LOOK_SECONDS)
        now = _sign(file)
        if now != seen:
            if now is not None and not wait:
                raise InputError(f"{now.process} is training in {file.parents[1]}; wait for it or choose another --out")
            seen, since = now, time.monotonic()


def _sign(file: Path) -> _Sign | None:
    name = _read(file)
    if name is None:
        return None
    with suppress(FileNotFoundError):
        return _Sign(name, file.stat().st_mtime_ns)
    return None


def _read(file: Path) -> str | None:
    # Opening it asks the server anew, where a network file system remembers what it was.
    with suppress(FileNotFoundError):
        return file.read_text(errors="replace")
    return None


def _machine(folder: Path) -> str:
    """What locks of a folder hold within: this machine since it was started, and its mount of the file system."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = f"{uuid.getnode():012x}"
    return f"{boot}:{folder.stat().st_dev}"
