"""Parquet files of encoded images and labels, in the layout of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tailwise.data.images import decode_images
from tailwise.data.sources.base import ImageSize, Table, UserSource, locate
from tailwise.errors import InputError, first_line
from tailwise.reading import parse_json, regular
from tailwise.unpacking import memory_of_machine, require_memory

Column: TypeAlias = pa.Array | pa.ChunkedArray
ROWS_AT_A_TIME = 4096
SMALLEST_ENTRY = 4
"""Bytes of memory; in the file a million equal ones may take a few together."""


class Parquet(UserSource):
    """A column of encoded images and a column of labels.

    Args:
        train: file.
        test: file; by default a stratified ``test_fraction`` of the training file.
        image_column: binary, or a struct with a binary field ``bytes``.
        label_column: integers or strings. The names of integer classes are those of the Hugging Face schema where
            the file has one.
        image_size: side in pixels of the square all images are resized to; without it all must have one size.
        grayscale: one channel instead of three.
    """

    summary: ClassVar = "your own Parquet file of encoded images and labels, as on the Hugging Face hub"
    layout: ClassVar = (
        "train: FILE.parquet, test: FILE.parquet (or test_fraction), image_column: image, label_column: label, "
        "image_size: PIXELS, grayscale: false"
    )

    name: Literal["parquet"] = "parquet"
    train: Path
    test: Path | None = None
    image_column: str = "image"
    label_column: str = "label"
    image_size: ImageSize | None = None
    grayscale: bool = False

    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """The two files."""
        return locate(self.train, root), self.test and locate(self.test, root)

    def read(self, path: Path, train: Table | None) -> Table:
        """Read a file's labels; the images are decoded when asked for."""
        labels = self._column(path, self.label_column)
        names = _class_names(pq.read_schema(path).metadata, self.label_column)
        if names is None and train is not None:
            names = train.class_names
        encoded = cache(partial(self._column, path, self.image_column))  # read when first asked for, and once

        def images(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            return decode_column(encoded(), rows, path, self.image_size, self.grayscale)

        return Table(_labels(path, labels, names), images, names)

    def _column(self, path: Path, name: str) -> pa.ChunkedArray:
        names = column_names(path)
        if name not in names:
            raise InputError(f"{path} has no column {name!r}; its columns are {', '.join(names)}")
        with _readable(path), pq.ParquetFile(path) as file:
            require_memory(path, _unpacked_size(file.metadata, [name]))
            column, size = [], 0
            for batch in file.iter_batches(_rows_with_room(file, [name]), columns=[name]):
                size += batch.nbytes
                require_memory(path, size)
                column.append(batch.column(0))
            return pa.chunked_array(column, type=file.schema_arrow.field(name).type)


def column_names(path: Path) -> list[str]:
    """The columns of a file.

    Raises:
        InputError: it is no Parquet file.
    """
    with _readable(path):
        names: list[str] = pq.read_schema(path).names
        return names


def _unpacked_size(metadata: pq.FileMetaData, names: Sequence[str], groups: Sequence[int] | None = None) -> int:
    """Bytes of columns in memory, as the file itself says, and no fewer than an entry needs."""
    chosen = (metadata.row_group(group) for group in groups or range(metadata.num_row_groups))
    columns = (group.column(place) for group in chosen for place in range(group.num_columns))
    own = [column for column in columns if column.path_in_schema.split(".")[0] in names]
    return sum(max(column.total_uncompressed_size, SMALLEST_ENTRY * column.num_values) for column in own)


def _rows_with_room(file: pq.ParquetFile, names: Sequence[str]) -> int:
    """Rows of the columns that fit into memory together, were each as large as all that a row group says it holds.

    A file holds a value once that stands in every row, and does not say how large that makes the column.
    """
    groups = range(file.metadata.num_row_groups)
    largest = max((_unpacked_size(file.metadata, names, [group]) for group in groups), default=0)
    return max(1, min(ROWS_AT_A_TIME, memory_of_machine() // 4 // max(largest, 1)))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        regular(path)
        yield
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error)
        raise InputError(f"{path} is not a readable Parquet file ({reason})") from error


def decode_column(
    column: pa.ChunkedArray, rows: NDArray[np.int64], path: Path, image_size: int | None, grayscale: bool
) -> NDArray[np.uint8]:
    """Decode the images at ``rows`` of a column of encoded images, see :func:`decode_images`; errors name ``path``."""
    encoded = encoded_images(column, path)

    def images() -> Iterator[tuple[str, bytes]]:
        for row in rows.tolist():
            yield f"{path} row {row}", image_bytes(encoded[row], path, row)

    return decode_images(images(), len(rows), image_size, grayscale)


def encoded_images(column: Column, path: Path) -> Column:
    """A column's encoded images, which may be a field of it.

    Raises:
        InputError: it holds none.
    """
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise InputError(
            f"{path} must hold images as encoded bytes, or as a struct with a field bytes, got {column.type}"
        )
    return column


def image_bytes(cell: pa.Scalar, path: Path, row: int) -> bytes:
    """One encoded image.

    Raises:
        InputError: there is none in the row.
    """
    encoded: bytes | None = cell.as_py()
    if encoded is None:
        raise InputError(f"{path} has no image bytes in row {row}; drop the row")
    return encoded


def read_batches(path: Path, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, a batch of rows at a time.

    Raises:
        InputError: it is no Parquet file, or lacks a column.
    """
    names = column_names(path)
    for name in columns:
        if name not in names:
            raise InputError(f"{path} has no column {name!r}; its columns are {', '.join(names)}")
    with _readable(path), pq.ParquetFile(path) as file:
        yield from file.iter_batches(min(batch_rows, _rows_with_room(file, columns)), columns=list(columns))


def _labels(path: Path, column: pa.ChunkedArray, names: tuple[str, ...] | None) -> NDArray[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise InputError(f"{path} has no label in row {column.to_pylist().index(None)}; drop the row")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    if not pa.types.is_integer(column.type):
        raise InputError(f"{path} must have integer or string labels, got {column.type}")
    labels = np.asarray(column.to_numpy())
    if names is None:
        return labels
    outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if outside.size:
        raise InputError(
            f"{path} has label {labels[outside[0]]} in row {outside[0]} but names {len(names)} classes; "
            "correct the labels or the schema"
        )
    return np.array([names[label] for label in labels], dtype=np.str_)


def _class_names(metadata: dict[bytes, bytes] | None, label_column: str) -> tuple[str, ...] | None:
    """The names in the schema metadata that the Hugging Face library writes, None where there are none."""
    try:
        features = parse_json((metadata or {})[b"huggingface"].decode())["info"]["features"]
        return tuple(str(name) for name in features[label_column]["names"]) or None
    except (KeyError, TypeError, ValueError):
        return None
