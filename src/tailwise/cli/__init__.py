"""The command line: one file per command, none with logic of its own."""

from __future__ import annotations

import errno
import io
import os
import sys
import time
import warnings
from typing import Any

import typer

from tailwise.cli import (
    bench,
    compare,
    datasets,
    evaluate,
    export,
    inspect,
    losses,
    predict,
    rank,
    recipes,
    report,
    train,
    tune,
)
from tailwise.cli.signals import stopped_in_order
from tailwise.distributed import is_first_process, leave_group
from tailwise.errors import InputError, StoppedError, TailwiseWarning, TrainingError, first_line
from tailwise.terminal import echo, visible

app = typer.Typer(
    name="tailwise",
    help="Train, compare and evaluate classifiers on imbalanced and long-tailed data.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (inspect, train, compare, tune, rank, report, evaluate, predict, export, recipes, datasets, bench):
    name = command.__name__.rpartition(".")[2]
    app.command(name, help=command.__doc__, epilog=command.EXAMPLE)(command.run)
app.add_typer(losses.app, name="losses", help=losses.__doc__, epilog=losses.EXAMPLE)

# typer names no base class of its own for "the command line itself is wrong"; this one is BadParameter's parent.
UsageError = typer.BadParameter.__mro__[1]
INTERRUPTED = 130
SECONDS_FOR_FIRST = 3.0
"""For the first of several processes, whose exit code counts, to come to its own end."""
LONGEST_LINE = 1000
OF_PATHS = (errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM)
"""What a system says of a path that a user should not have given."""


def main() -> None:
    """Run a command; exit 0, 1 (it failed) or 2 (the input cannot be used), each failure in one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that a terminal has no letters for is no reason to stop
    warnings.showwarning = _show_warning
    with stopped_in_order():
        code = _exit_code()
    leave_group(code)
    sys.exit(code)


def _exit_code() -> int:
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except InputError as error:
        return _say(str(error), 2)
    except TrainingError as error:
        return _say(str(error), 1)
    except StoppedError as error:
        if not is_first_process():  # what began the processes may end all of them when one has failed
            time.sleep(SECONDS_FOR_FIRST)
        return 2 if error.bad_input else 1
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        if isinstance(error, UsageError):
            return _say(f"{error.format_message().rstrip('.')}; see tailwise --help", 2)  # type: ignore[attr-defined]
        if os.environ.get("TAILWISE_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in OF_PATHS:
            return _say(f"cannot use {error.filename}: {error.strerror}; give another path", 2)
        return _say(f"{type(error).__name__}: {first_line(error)} (TAILWISE_DEBUG=1 shows where)", 1)
    if code == INTERRUPTED:
        how = "--resume goes on from here" if sys.argv[1:2] == ["train"] else "the same command goes on from here"
        return _say(f"stopped; {how}", 1)
    return code if isinstance(code, int) else 0


_show_python_warning = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **further: Any) -> None:
    if issubclass(category, TailwiseWarning):
        echo(f"note: {message}", err=True)
    else:
        _show_python_warning(message, category, *where, **further)


def _say(message: str, code: int) -> int:
    line = visible(" ".join(message.split()))
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
    print(f"tailwise: {line}", file=sys.stderr)
    return code
