"""What stops a run from outside, memory or a disk that is full, in one line that says how to go on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tailwise.data.streaming import DecoderDiedError
from tailwise.errors import InputError, TrainingError, first_line

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_WRITING = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
GOING_ON = "what is saved is kept, and --resume goes on after the last whole epoch"


@contextmanager
def faults_named(out: Path, batch_size: int) -> Iterator[None]:
    """Name what is short, and how to mend it.

    Args:
        out: the run directory.
        batch_size: of the training.

    Raises:
        TrainingError: in place of the errors of Python, torch and the operating system, where memory is short or the
            run directory can no longer be written.
        InputError: in place of torch's, where a batch is too small for batch normalisation.
    """
    try:
        yield
    except TrainingError:
        raise
    except OSError as error:
        if (reason := _of_writing(error, out)) is None:
            raise
        raise TrainingError(f"{reason}; {GOING_ON}") from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            f"batch normalisation needs more than one sample, and a training.batch_size of {batch_size} leaves a batch "
            "of one; choose another"
        ) from error
    except DecoderDiedError as error:
        mend = "decode in the run itself with --threads 1"
        raise TrainingError(f"a process that decodes images died ({error}): {mend}; {GOING_ON}") from error
    except (MemoryError, RuntimeError) as error:
        if (reason := _of_memory(error, batch_size)) is None:
            raise
        raise TrainingError(f"{reason}; {GOING_ON}") from error


def _of_writing(error: OSError, out: Path) -> str | None:
    """What to do about an error of writing to the run directory; None if it is no such error."""
    if error.errno in NO_ROOM:
        place = out if error.filename is None else Path(os.fsdecode(error.filename))
        full = out if place.is_relative_to(out) else place
        return f"no room for {full} on {_mount(full)} ({error.strerror}): free some space there"
    ours = error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(out)
    if ours or (error.filename is None and error.errno in NO_WRITING):
        return f"cannot write to {out} any more ({error.strerror}): make it writable"
    return None


def _of_memory(error: Exception, batch_size: int) -> str | None:
    """What to do about an error of memory; None if it is no such error."""
    said = str(error)
    of_cpu = "allocate memory" in said or "not enough memory" in said  # torch has no class for it
    if not (isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)) or of_cpu):
        return None
    needed = f" ({first_line(error).rstrip('.')})" if said else ""
    return (
        f"out of memory{needed}: free some, or train with a smaller training.batch_size (now {batch_size}) and another "
        "--out"
    )


def _mount(path: Path) -> Path:
    """Where the file system begins that a path is on."""
    place = path.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place
