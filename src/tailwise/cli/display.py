"""What commands print: tables on stdout, progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.control import Control
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tailwise.terminal import visible

T = TypeVar("T")
PIPED_WIDTH = 150
SHOWN_ERRORS = 20
SHOWN_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "recall",
    "g_mean",
    "mcc",
    "auc",
    "ap",
    "ece",
    "accuracy_many",
    "accuracy_medium",
    "accuracy_few",
)


def console() -> Console:
    """Stdout; wide enough for a table where it is no terminal."""
    out = _plain_console()
    return out if out.is_terminal else _plain_console(width=PIPED_WIDTH)


def _plain_console(**options: Any) -> Console:
    """A console for texts of others: brackets and colons are no markup, and control characters are seen, not obeyed."""
    made = Console(highlight=False, markup=False, emoji=False, **options)
    made.push_render_hook(_Visible())
    return made


class _Visible(RenderHook):
    """Shows what is rendered with its control characters replaced."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Wrap each."""
        return [one if isinstance(one, (_Shown, Control)) else _Shown(one) for one in renderables]


class _Shown:
    """What is shown in place of a renderable."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


@contextmanager
def epoch_progress(label: str, epochs: int | None, shown: bool = True) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar that moves with every epoch of every run; where they fail it leaves the screen to the error.

    It has no end where nobody knows how many epochs there will be.
    """
    with progress(label, epochs, "epochs", shown) as advance:
        yield lambda line: advance()


@contextmanager
def progress(label: str, total: int | None, unit: str, shown: bool = True) -> Iterator[Callable[[], None]]:
    """A bar that moves with every call."""
    with _bar(label, unit, total, shown) as (bar, task):
        yield lambda: bar.advance(task)


@contextmanager
def sample_progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told how many samples are done, of how many."""
    with _bar(label, "samples", None) as (bar, task):
        yield lambda done, of: bar.update(task, completed=done, total=of)


@contextmanager
def _bar(label: str, unit: str, total: int | None, shown: bool = True) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on stderr; where the work fails it leaves the screen to the error."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_plain_console(stderr=True), disable=not shown) as bar:
        try:
            yield bar, bar.add_task(label, total=total)
        except Exception:
            bar.live.transient = True
            bar.console.quiet = not bar.console.is_terminal  # else it would end with an empty line
            raise


class FileProgress:
    """How far one has come with files, what was predicted of them, and what could not be read."""

    def __init__(self, progress: Progress, files: int, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=files)
        self.refused = 0
        self.predicted = 0

    def finish(self, file: Path) -> None:
        """A file is done."""
        self._progress.advance(self._task)

    def counted(self, batch: list[T]) -> list[T]:
        """These are predicted."""
        self.predicted += len(batch)
        return batch

    def refuse(self, error: Exception) -> None:
        """Say what could not be read; of many the first alone, as all of them would bury the rest."""
        self.refused += 1
        if self.refused <= SHOWN_ERRORS:
            self._progress.console.print(f"tailwise: {error}", soft_wrap=True)


@contextmanager
def file_progress(label: str, files: int, shown: bool = True) -> Iterator[FileProgress]:
    """A bar that moves with every file and is gone at the end, unless it is not to be shown."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=_plain_console(stderr=True), transient=True, disable=not shown) as progress:
        yield FileProgress(progress, files, label)


def prediction_table(rows: Sequence[Mapping[str, object]], columns: Iterable[str]) -> Table:
    """Predictions in rows, probabilities in percent."""
    table = Table()
    for column in columns:
        is_probability = column.startswith(("probability", "p_"))
        table.add_column(
            Text(f"{column} %" if is_probability else column), justify="right" if is_probability else "left"
        )
    for row in rows:
        table.add_row(*(Text(f"{100 * cell:.2f}" if isinstance(cell, float) else str(cell)) for cell in row.values()))
    return table


def listing(name: str, *columns: str) -> Table:
    """A table of things one picks by name: the name, in the first column, is never cut."""
    table = Table()
    table.add_column(name, no_wrap=True)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def metrics_table(columns: Mapping[str, Mapping[str, float]]) -> Table:
    """Metrics in rows, one column of values per heading; percent."""
    table = Table("metric")
    for heading in columns:
        table.add_column(heading, justify="right")
    for name in SHOWN_METRICS:
        values = [column.get(name) for column in columns.values()]
        if any(value is not None for value in values):
            table.add_row(name.replace("_", " "), *("-" if value is None else f"{100 * value:.2f}" for value in values))
    return table
