"""Predictions as rows of a table, and the files that hold them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailwise.errors import InputError
from tailwise.prediction.predictor import Prediction
from tailwise.terminal import VisibleStream
from tailwise.training.run_directory import becoming

Row: TypeAlias = dict[str, "str | int | float | None"]
Write: TypeAlias = Callable[[Sequence[Row]], None]
FORMATS = (".csv", ".parquet", ".json", ".jsonl")


@dataclass(frozen=True)
class RowForm:
    """What a row says of a prediction.

    Args:
        class_names: C names.
        has_rows: whether files hold several samples, whose row is said.
        top: how many classes: the predicted one, then the most probable others.
        all_probabilities: of every class, in columns ``p_<class>``.
    """

    class_names: tuple[str, ...]
    has_rows: bool = False
    top: int = 1
    all_probabilities: bool = False

    @property
    def columns(self) -> dict[str, type]:
        """Names of the columns and the type of what is in them."""
        columns: dict[str, type] = {"file": str}
        if self.has_rows:
            columns["row"] = int
        for place in range(self._shown):
            columns |= {self._numbered("class", place): str, self._numbered("probability", place): float}
        if self.all_probabilities:
            columns |= dict.fromkeys((f"p_{name}" for name in self.class_names), float)
        return columns

    def row(self, prediction: Prediction) -> Row:
        """The row of one prediction."""
        row: Row = {"file": str(prediction.sample.file)}
        if self.has_rows:
            row["row"] = prediction.sample.row
        probabilities = prediction.probabilities
        ranked = np.argsort(-probabilities, kind="stable")
        chosen = [prediction.index, *ranked[ranked != prediction.index]][: self._shown]
        for place, index in enumerate(chosen):
            row[self._numbered("class", place)] = self.class_names[index]
            row[self._numbered("probability", place)] = float(probabilities[index])
        if self.all_probabilities:
            row |= {f"p_{name}": float(p) for name, p in zip(self.class_names, probabilities, strict=True)}
        return row

    @property
    def _shown(self) -> int:
        return min(self.top, len(self.class_names))

    @staticmethod
    def _numbered(name: str, place: int) -> str:
        return name if place == 0 else f"{name}_{place + 1}"


def check_output_path(path: Path) -> None:
    """Refuse a file of a kind that predictions are not written as.

    Raises:
        InputError: its ending is none of :data:`FORMATS`.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"predictions are written as {', '.join(FORMATS)}, got {str(path)!r}; change the end of --out")


@contextmanager
def prediction_file(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    """A file to write rows to as they come, which is there whole at the end or not at all.

    Args:
        path: .csv, .parquet, .json (one list) or .jsonl (an object a line).
        columns: of the rows.

    Raises:
        InputError: it is of another kind or cannot be written.
    """
    check_output_path(path)
    writers = {".csv": _csv_file, ".parquet": _parquet_file, ".json": _json_file, ".jsonl": _json_lines_file}
    try:
        with becoming(path) as partial, writers[path.suffix.lower()](partial, columns) as write:
            yield write
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror}; choose another --out") from error


def csv_writer(file: IO[str] | VisibleStream, columns: Mapping[str, type]) -> Write:
    """Write the header, and then rows as they come, numbers to six digits."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)

    def write(rows: Sequence[Row]) -> None:
        writer.writerows(
            [f"{cell:.6g}" if isinstance(cell, float) else cell for cell in map(row.get, columns)] for row in rows
        )

    return write


@contextmanager
def _csv_file(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield csv_writer(file, columns)


@contextmanager
def _json_lines_file(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda rows: file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


@contextmanager
def _json_file(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        before = "["

        def write(rows: Sequence[Row]) -> None:
            nonlocal before
            for row in rows:
                file.write(f"{before}\n{json.dumps(row, ensure_ascii=False)}")
                before = ","

        yield write
        file.write("[]\n" if before == "[" else "\n]\n")


@contextmanager
def _parquet_file(path: Path, columns: Mapping[str, type]) -> Iterator[Write]:
    types: dict[type, Any] = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema) as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist(list(rows), schema=schema))
