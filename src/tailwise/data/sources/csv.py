"""Tables of numbers: CSV files with one column of labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from tailwise.data.arrays import first_non_finite
from tailwise.data.sources.base import Table, UserSource, locate
from tailwise.errors import InputError, first_line
from tailwise.reading import regular

LONGEST_HEADER = 2**16


class CSV(UserSource):
    """Numeric features and a label in each row, under a header line.

    Args:
        train: file.
        test: file; by default a stratified ``test_fraction`` of the training file.
        target: column of the labels: integers where every one is written as one (7, not 07), else strings, without
            the white space around them.
        features: columns to use; by default all the others.
    """

    summary: ClassVar = "your own table of numbers: CSV with a header line, a column of labels, numeric features"
    layout: ClassVar = "train: FILE.csv, test: FILE.csv (or test_fraction), target: COLUMN, features: [COLUMN, ...]"

    name: Literal["csv"] = "csv"
    train: Path
    test: Path | None = None
    target: str
    features: tuple[str, ...] | None = None

    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """The two files."""
        return locate(self.train, root), self.test and locate(self.test, root)

    def read(self, path: Path, train: Table | None) -> Table:
        """Read a file; features default to the training file's columns, for the test file too."""
        columns = train.columns if train else self.features
        return read_csv(path, self.target, columns)


def read_csv(
    path: Path,
    target: str,
    features: Sequence[str] | None = None,
    column_names: Sequence[str] | None = None,
    skip_rows: int = 0,
) -> Table:
    """Read a file of numbers with one column of labels.

    Args:
        path: file.
        target: column of the labels.
        features: the other columns to use; by default all.
        column_names: names of the columns; by default those in the file's first line.
        skip_rows: lines to pass over at the start.

    Raises:
        InputError: the file is not CSV, a column is missing, or a cell is not a finite number.
    """
    reading = pyarrow.csv.ReadOptions(column_names=column_names, skip_rows=skip_rows)
    names = column_names_of(path, reading)
    columns = _feature_columns(path, names, target, features)
    with _readable(path):
        text = _as_text(names, (target, *columns))
        table = pyarrow.csv.read_csv(path, read_options=reading, convert_options=text)
    with np.errstate(over="ignore"):  # what overflows is reported below
        numbers = np.column_stack([_numbers(path, name, table[name]) for name in columns]).astype(np.float32)
    if broken := first_non_finite(numbers):
        row, column = broken
        raise InputError(_cell(path, columns[column], row, table[columns[column]][row].as_py()))
    return Table(_labels(path, target, table[target]), numbers.__getitem__, columns=columns)


def read_features(
    path: Path, names: Sequence[str] | None, count: int, batch_rows: int
) -> Iterator[tuple[NDArray[np.float32], dict[int, InputError]]]:
    """Read the features of unlabelled rows, a batch at a time.

    Columns are found by name, and others are passed over. Without ``names``, or where the first line is of numbers
    rather than names, the file must have as many columns as there are features, in their order.

    Args:
        path: file.
        names: of the features.
        count: F.
        batch_rows: most rows of a batch.

    Yields:
        Features (B, F), and for each row of them that cannot be used, by its place among the B, what is wrong with it.

    Raises:
        InputError: the file is not CSV, or a column is missing.
    """
    header = has_header(path)
    columns = tuple(names) if names is not None and header else None
    reading = pyarrow.csv.ReadOptions(autogenerate_column_names=not header)
    first = 0
    found = column_names_of(path, reading)
    columns = _matching_columns(path, found, columns, count)
    with _readable(path):
        text = _as_text(found, columns)
        with pyarrow.csv.open_csv(path, read_options=reading, convert_options=text) as opened:
            for block in opened:
                for begin in range(0, block.num_rows, batch_rows):
                    table = pa.Table.from_batches([block.slice(begin, batch_rows)])
                    yield _numbers_and_errors(path, columns, table, first + begin)
                first += block.num_rows


def column_names_of(path: Path, reading: pyarrow.csv.ReadOptions | None = None) -> list[str]:
    """The columns of a file.

    Raises:
        InputError: the file is not CSV.
    """
    with _readable(path), pyarrow.csv.open_csv(path, read_options=reading) as opened:
        names: list[str] = opened.schema.names
        return names


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong while it is read."""
    try:
        regular(path)
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        hint = "" if isinstance(error, OSError) else separator_hint(_header(path))
        raise InputError(f"{path} is not a readable CSV table ({first_line(error)}){hint}") from error


def separator_hint(header: str) -> str:
    """What to do about a table that something other than commas separates; nothing of one with commas."""
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if header.count(sign) > header.count(","):
            return f"; it seems to be separated by {name}: save it with commas, and points in its numbers"
    return ""


def _header(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(LONGEST_HEADER).decode(errors="replace")


def _as_text(names: Sequence[str], columns: Sequence[str]) -> pyarrow.csv.ConvertOptions:
    """As text, so that neither a type guessed from the first block nor a class called "NA" gets in the way."""
    return pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
    )


def _matching_columns(path: Path, found: list[str], names: tuple[str, ...] | None, count: int) -> tuple[str, ...]:
    if names is None:
        if len(found) != count:
            raise InputError(
                f"{path} has {len(found)} columns but the network takes {count} features; give these columns alone, or "
                "a header line with the names that the training data had"
            )
        return tuple(found)
    for name in names:
        if found.count(name) != 1:
            has = "two columns" if name in found else "no column"
            raise InputError(f"{path} has {has} {name!r}; its columns are {', '.join(found)}")
    return names


def _numbers_and_errors(
    path: Path, columns: tuple[str, ...], table: pa.Table, first: int
) -> tuple[NDArray[np.float32], dict[int, InputError]]:
    """Features (B, F) of a part of a file whose first row is ``first``, NaN where a cell is no number."""
    with np.errstate(over="ignore"):  # what overflows is reported below
        numbers = np.column_stack([_numbers_or_nan(table[name]) for name in columns]).astype(np.float32)
    errors: dict[int, InputError] = {}
    for row, column in np.argwhere(~np.isfinite(numbers)).tolist():
        cell = table[columns[column]][row].as_py()
        errors.setdefault(row, InputError(_cell(path, columns[column], first + row, cell)))
    return numbers, errors


def _numbers_or_nan(cells: pa.ChunkedArray) -> NDArray[np.float64]:
    trimmed = pc.utf8_trim_whitespace(cells)
    try:
        return np.asarray(trimmed.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid:
        return np.array([_number_or_nan(cell) for cell in trimmed])


def _number_or_nan(cell: pa.Scalar) -> float:
    try:
        number = cell.cast(pa.float64()).as_py()
    except pa.ArrowInvalid:
        return math.nan
    return math.nan if number is None else float(number)


def has_header(path: Path) -> bool:
    """Whether the first line begins with anything but a number.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with regular(path).open("rb") as lines:
            first_cell = lines.readline().split(b",")[0]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; correct the path") from error
    try:
        float(first_cell)
    except ValueError:
        return True
    return False


def _feature_columns(path: Path, names: list[str], target: str, features: Sequence[str] | None) -> tuple[str, ...]:
    columns = tuple(features or (name for name in names if name != target))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path} has two columns {twice!r}; rename one")
    for name in (target, *columns):
        if name not in names:
            hint = separator_hint(names[0])
            raise InputError(f"{path} has no column {name!r}; its columns are {', '.join(names)}{hint}")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise InputError(f"features names {twice!r} twice; name each column once")
    if not columns or target in columns:
        raise InputError(f"{path} needs at least one feature column besides the target {target!r}")
    return columns


def _numbers(path: Path, name: str, cells: pa.ChunkedArray) -> NDArray[np.float64]:
    trimmed = pc.utf8_trim_whitespace(cells)
    try:
        return np.asarray(trimmed.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowInvalid as error:
        for row, cell in enumerate(trimmed):
            try:
                cell.cast(pa.float64())
            except pa.ArrowInvalid:
                raise InputError(_cell(path, name, row, cell.as_py())) from error
        raise


def _cell(path: Path, name: str, row: int, cell: str | None) -> str:
    shown = "an empty cell" if cell is None else repr(cell)
    return (
        f"{path} has {shown} in column {name!r}, row {row} (the first after the header is row 0); "
        "features must be finite float32 numbers: fill the cell in, drop the row, or choose other features"
    )


def _labels(path: Path, target: str, cells: pa.ChunkedArray) -> NDArray[Any]:
    labels = ["" if cell is None else cell for cell in pc.utf8_trim_whitespace(cells).to_pylist()]
    if "" in labels:
        row = labels.index("")
        raise InputError(f"{path} has no label in column {target!r}, row {row} (the first after the header is row 0)")
    # "01" beside "1" may be two classes, so numbers are only what is written as Python writes integers.
    if all(_is_integer(label) for label in set(labels)):
        return np.array([int(label) for label in labels], dtype=np.int64)
    return np.array(labels, dtype=np.str_)


def _is_integer(label: str) -> bool:
    try:
        return str(np.int64(label)) == label
    except (ValueError, OverflowError):
        return False
