"""New samples from arrays and files, as the source of a run read its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailwise.conversion import as_array
from tailwise.data.arrays import first_non_finite
from tailwise.data.sources import SourceModel
from tailwise.data.sources.csv import read_features
from tailwise.data.sources.htru_medlat import HTRUMedlat
from tailwise.data.sources.hub_parquet import IMAGE_COLUMNS
from tailwise.data.sources.image_folder import SUFFIXES
from tailwise.data.sources.npz import Npz, read_arrays
from tailwise.data.sources.parquet import Parquet, column_names, encoded_images, image_bytes, read_batches
from tailwise.errors import InputError
from tailwise.reading import expanded
from tailwise.training.device import available_cores

ARCHIVES = (".npz", ".parquet")
Chunk: TypeAlias = tuple["list[Sample]", NDArray[Any]]
Decoded: TypeAlias = "NDArray[np.uint8] | InputError"


@dataclass(frozen=True)
class Sample:
    """Where a sample comes from: a file, and its row in one that holds several."""

    file: Path
    row: int | None = None

    def __str__(self) -> str:
        return str(self.file) if self.row is None else f"{self.file} row {self.row}"


def raise_first(error: InputError) -> None:
    """Stop at what cannot be read."""
    raise error


class SampleReader:
    """Brings new samples into the form of a run's own.

    Args:
        source: that the run was trained on.
        shape: of a sample, (H, W, channels) or (F,).
        feature_names: F names of a table's features, where they have names.
    """

    def __init__(self, source: SourceModel, shape: tuple[int, ...], feature_names: tuple[str, ...] | None) -> None:
        self.source = source
        self.shape = shape
        self.feature_names = feature_names

    @property
    def is_image(self) -> bool:
        """Whether the samples are images rather than features."""
        return len(self.shape) == 3

    @property
    def suffixes(self) -> frozenset[str]:
        """Endings of the files that are looked for in folders."""
        if isinstance(self.source, HTRUMedlat):
            return frozenset((".gz", ".npz"))
        return SUFFIXES.union(ARCHIVES) if self.is_image else frozenset((".csv", *ARCHIVES))

    def arrays(self, inputs: Any) -> NDArray[Any]:
        """One sample or several as (N, ...): uint8 images or float32 features.

        Raises:
            InputError: they are of another type or shape, or not finite.
        """
        if not self.is_image and self.feature_names is not None and hasattr(inputs, "columns"):
            missing = [name for name in self.feature_names if name not in inputs.columns]
            if missing:
                raise InputError(
                    f"the data frame has no column {missing[0]!r}; it needs {', '.join(self.feature_names)}"
                )
            inputs = np.column_stack([_numbers_of(inputs, name) for name in self.feature_names])
        try:
            given = as_array(inputs)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self._wanted}, got what is no array ({error})") from error
        batch = self._as_batch(given)
        if not self.is_image and batch.dtype.kind in "iuf":
            with np.errstate(over="ignore"):  # what overflows is reported below
                batch = batch.astype(np.float32)
            if broken := first_non_finite(batch):
                row, column = broken
                raise InputError(
                    f"features must be finite float32 numbers, got {batch[broken]} in row {row}, column {column}"
                )
        if batch.dtype != (np.uint8 if self.is_image else np.float32) or len(batch) == 0:
            raise InputError(f"{self._wanted}, got {given.dtype} of shape {given.shape}")
        return np.ascontiguousarray(batch)

    def _as_batch(self, given: NDArray[Any]) -> NDArray[Any]:
        """(N, ...) of one sample or several; a grey image may do without its channel."""
        shapes = [self.shape, self.shape[:2]] if self.shape[-1:] == (1,) and self.is_image else [self.shape]
        for shape in shapes:
            if given.shape == shape:
                return given.reshape(1, *self.shape)
            if given.ndim > 0 and given.shape[1:] == shape:
                return given.reshape(-1, *self.shape)
        raise InputError(f"{self._wanted}, got {given.dtype} of shape {given.shape}")

    @property
    def _wanted(self) -> str:
        if self.is_image:
            return "inputs must be uint8 images (N, {}, {}, {}) or one of them".format(*self.shape)
        return f"inputs must be numbers (N, {self.shape[0]}) or one row of them"

    def files(self, paths: Sequence[str | Path]) -> list[Path]:
        """The files that paths name, and those at any depth of the folders among them, in the order of their names.

        Raises:
            InputError: a path does not exist, a folder holds no file that can be read, or there is no path.
        """
        found: list[Path] = []
        for path in map(expanded, paths):
            if path.is_dir():
                inside = [file for file in path.rglob("*") if self._is_read(file)]
                if not inside:
                    raise InputError(f"{path} holds no files that this run reads ({', '.join(sorted(self.suffixes))})")
                found += sorted(inside)
            elif path.exists():
                found.append(path)
            else:
                raise InputError(f"there is no {path}; correct the path")
        if not found:
            raise InputError("there is nothing to predict; give files or folders")
        return found

    def _is_read(self, file: Path) -> bool:
        return file.suffix.lower() in self.suffixes and not file.name.startswith(".") and file.is_file()

    def has_rows(self, file: Path) -> bool:
        """Whether a file holds several samples, a row each."""
        return not self.is_image or file.suffix.lower() in ARCHIVES

    def batches(
        self,
        files: Iterable[Path],
        batch_size: int,
        refused: Callable[[InputError], None],
        finished: Callable[[Path], None] = lambda file: None,
    ) -> Iterator[Chunk]:
        """Read files a batch at a time: the samples and their inputs (B, ...), B at most ``batch_size``.

        Args:
            files: to be read, in this order.
            batch_size: at least 1.
            refused: told of each file, or sample of one, that cannot be read.
            finished: told of each file that is done.
        """
        with ThreadPoolExecutor(available_cores()) as pool:
            for several, group in groupby(files, self.has_rows):
                if not several:
                    yield from self._images(pool, group, batch_size, refused, finished)
                    continue
                for file in group:
                    try:
                        yield from self._rows(pool, file, batch_size, refused)
                    except InputError as error:
                        refused(error)
                    finished(file)

    def _images(
        self,
        pool: ThreadPoolExecutor,
        files: Iterator[Path],
        batch_size: int,
        refused: Callable[[InputError], None],
        finished: Callable[[Path], None],
    ) -> Iterator[Chunk]:
        """Image files; the next batch is decoded while the network works on this one."""
        waiting: deque[tuple[Path, Future[Decoded]]] = deque()

        def ready(count: int) -> Iterator[Chunk]:
            taken = [waiting.popleft() for _ in range(count)]
            yield from _kept([Sample(file) for file, _ in taken], [future.result() for _, future in taken], refused)
            for file, _ in taken:
                finished(file)

        for file in files:
            waiting.append((file, pool.submit(self._decoded, str(file), file)))
            if len(waiting) == 2 * batch_size:
                yield from ready(batch_size)
        while waiting:
            yield from ready(min(batch_size, len(waiting)))

    def _decoded(self, name: str, image: Path | bytes) -> Decoded:
        assert len(self.shape) == 3
        if isinstance(image, Path) and image.suffix.lower() == ".csv":
            return InputError(f"{name}: this run was trained on images; give {', '.join(sorted(self.suffixes))}")
        try:
            return self.source.read_image(name, image, self.shape)
        except InputError as error:
            return error

    def _rows(
        self, pool: ThreadPoolExecutor, file: Path, batch_size: int, refused: Callable[[InputError], None]
    ) -> Iterator[Chunk]:
        """A file of several samples."""
        suffix = file.suffix.lower()
        if suffix == ".npz":
            parts = self._npz(file, batch_size)
        elif suffix == ".parquet":
            parts = self._parquet_images(pool, file, batch_size) if self.is_image else self._table(file, batch_size)
        elif suffix == ".csv":
            parts = _with_errors(read_features(file, self.feature_names, self.shape[0], batch_size))
        else:
            raise InputError(f"{file}: this run was trained on a table; give {', '.join(sorted(self.suffixes))}")
        first = 0
        for inputs in parts:
            yield from _kept([Sample(file, first + place) for place in range(len(inputs))], inputs, refused)
            first += len(inputs)

    def _npz(self, file: Path, batch_size: int) -> Iterator[Sequence[NDArray[Any] | InputError]]:
        (given,) = read_arrays(file, self.source.inputs if isinstance(self.source, Npz) else "inputs")
        if given.shape[1:] not in (self.shape, self.shape[:-1] if self.shape[-1:] == (1,) else self.shape):
            raise InputError(f"{file}: {self._wanted}, got {given.dtype} of shape {given.shape}")
        for first in range(0, len(given), batch_size):
            yield self._attempt(file, first, given[first : first + batch_size])

    def _attempt(self, file: Path, first: int, samples: NDArray[Any]) -> Sequence[NDArray[Any] | InputError]:
        """Rows of a file from ``first`` on; what is wrong with one is found by looking at each."""
        try:
            return list(self.arrays(samples))
        except InputError:
            return [self._attempt_one(f"{file} row {first + place}", row) for place, row in enumerate(samples)]

    def _attempt_one(self, name: str, sample: NDArray[Any]) -> NDArray[Any] | InputError:
        try:
            one: NDArray[Any] = self.arrays(sample)[0]
        except InputError as error:
            return InputError(f"{name}: {error}")
        return one

    def _parquet_images(
        self, pool: ThreadPoolExecutor, file: Path, batch_size: int
    ) -> Iterator[Sequence[NDArray[Any] | InputError]]:
        columns = column_names(file)
        column = next((name for name in IMAGE_COLUMNS if name in columns), IMAGE_COLUMNS[0])
        if isinstance(self.source, Parquet):
            column = self.source.image_column

        def decoded(row: int, cell: Any) -> Decoded:
            try:
                encoded = image_bytes(cell, file, row)
            except InputError as error:
                return error
            return self._decoded(f"{file} row {row}", encoded)

        first = 0
        for batch in read_batches(file, [column], batch_size):
            cells = encoded_images(batch.column(0), file)
            yield list(pool.map(decoded, range(first, first + len(cells)), cells))
            first += len(cells)

    def _table(self, file: Path, batch_size: int) -> Iterator[Sequence[NDArray[Any] | InputError]]:
        """Features from the columns of a Parquet file."""
        names = self.feature_names or tuple(column_names(file))
        if len(names) != self.shape[0]:
            raise InputError(
                f"{file} has {len(names)} columns but the network takes {self.shape[0]} features; give these alone"
            )
        first = 0
        for batch in read_batches(file, names, batch_size):
            try:
                columns = [np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64) for column in batch]
            except (TypeError, ValueError) as error:
                raise InputError(f"{file} must hold numbers in {', '.join(names)} ({error})") from error
            rows = np.column_stack(columns)
            yield self._attempt(file, first, rows)
            first += len(rows)


def _numbers_of(frame: Any, name: str) -> NDArray[Any]:
    """A column of a data frame."""
    column = np.asarray(frame[name])
    if column.dtype.kind in "biuf":
        return column
    for row, cell in enumerate(column):
        if not isinstance(cell, (int, float, np.number, np.bool_, type(None))):
            raise InputError(f"column {name!r} of the data frame must hold numbers, got {cell!r} in row {row}")
    return column.astype(np.float64)  # whatever is missing is found as NaN


def _with_errors(
    parts: Iterator[tuple[NDArray[np.float32], dict[int, InputError]]],
) -> Iterator[Sequence[NDArray[Any] | InputError]]:
    for numbers, errors in parts:
        yield [errors.get(place, row) for place, row in enumerate(numbers)]


def _kept(
    samples: Sequence[Sample],
    inputs: Sequence[NDArray[Any] | InputError],
    refused: Callable[[InputError], None],
) -> Iterator[Chunk]:
    """The samples that could be read, if any, as one chunk."""
    kept: list[tuple[Sample, NDArray[Any]]] = []
    for sample, one in zip(samples, inputs, strict=True):
        if isinstance(one, InputError):
            refused(one)
        else:
            kept.append((sample, one))
    if kept:
        yield [sample for sample, _ in kept], np.stack([one for _, one in kept])
