"""What every source is: the contract, how files are found, and the split of data that come without one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from tailwise.counts import ClassCounts
from tailwise.data.arrays import Arrays
from tailwise.data.images import decode_image
from tailwise.data.labelled import Labelled
from tailwise.data.profiles import subset_indices
from tailwise.errors import InputError
from tailwise.reading import expanded, shortened

Split: TypeAlias = Literal["train", "test"]
ImageSize: TypeAlias = Annotated[int, Field(ge=1, le=16_384)]
"""Side in pixels."""


class SourceModel(BaseModel, ABC):
    """A data set as a recipe names it; its options are the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: ClassVar[str]
    """What the data set is, in one line."""
    layout: ClassVar[str]
    """The files it reads: relative to the data root, or named by its own fields."""

    @classmethod
    def needs_fields(cls) -> bool:
        """Whether a recipe must say more of it than its name."""
        return any(field.is_required() for field in cls.model_fields.values())

    @abstractmethod
    def load(self, root: Path | None, split: Split) -> Labelled:
        """Read one split.

        Args:
            root: the folder of data sets (``--data-root``, ``TAILWISE_DATA``), None where there is none.
            split: ``train`` or ``test``.

        Raises:
            InputError: a file is missing or cannot be used; the message names it.
        """

    def read_image(self, name: str, image: Path | bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """An image that is not of the data set, read as those of the data set are.

        Args:
            name: of the image, for messages.
            image: file or encoded bytes.
            shape: (H, W, channels) of the data set's images.

        Raises:
            InputError: it cannot be read, or has not that shape where the source brings images to none.
        """
        if shape[2] not in (1, 3):
            raise InputError(f"{name}: images of {shape[2]} channels are not read from image files; give arrays")
        image_size: int | None = getattr(self, "image_size", None)
        pixels = decode_image(name, image, image_size, grayscale=shape[2] == 1)
        if pixels.shape != shape:
            raise InputError(
                f"{name} has {pixels.shape[0]} x {pixels.shape[1]} pixels, but the network was trained on "
                f"{shape[0]} x {shape[1]} and its data set resizes none; bring it to that size"
            )
        return pixels


@dataclass(frozen=True)
class Table:
    """A labelled file whose inputs are read only for the rows that are wanted.

    Args:
        labels: (N,) integers or strings, as in the file.
        inputs: from ascending rows (M,) to their inputs, as :class:`Arrays` wants them.
        class_names: C names in the order of the classes; by default the labels that occur, sorted.
        columns: F names of the features, where they have names.
        name_of: what a row is called, where it has a name of its own, such as that of a file.
    """

    labels: NDArray[Any]
    inputs: Callable[[NDArray[np.int64]], NDArray[Any]]
    class_names: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    name_of: Callable[[int], str] | None = None


class Selection(NamedTuple):
    """The rows of a file that make a split, and their labels (M,) as numbers."""

    path: Path
    table: Table
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]


class UserSource(SourceModel):
    """Files of the user's own: a training file and, unless the training data are to be split, a test file."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    split_seed: Annotated[int, Field(ge=0)] = 0

    @abstractmethod
    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """Where the training and the test data are; None for test data to be split off the training data."""

    @abstractmethod
    def read(self, path: Path, train: Table | None) -> Table:
        """Read what is at ``path``; ``train`` is the training table when this is the test data."""

    def load(self, root: Path | None, split: Split) -> Labelled:
        """Read one split; the classes are those of the training data."""
        return self.gather(root, *self.select(root, split))

    def select(self, root: Path | None, split: Split) -> Selection:
        """The rows of one split and their labels, before their inputs are read."""
        path, test_path = self.paths(root)
        table = self.read(path, None)
        class_names = table.class_names or tuple(str(label) for label in _distinct(table.labels)[0])
        if split == "test" and test_path is not None:
            path, table = test_path, self.read(test_path, table)
        targets = encode(table.labels, class_names, path)
        rows = np.arange(len(targets))
        if test_path is None:
            rows = split_rows(targets, split, self.test_fraction, self.split_seed)
        return Selection(path, table, rows, targets[rows], class_names)

    def gather(
        self,
        root: Path | None,
        path: Path,
        table: Table,
        rows: NDArray[np.int64],
        targets: NDArray[np.int64],
        class_names: tuple[str, ...],
    ) -> Labelled:
        """The data set of the wanted ``rows`` of a table."""
        return arrays(path, table.inputs(rows), targets, class_names, table.columns)


def arrays(
    path: Path,
    inputs: NDArray[Any],
    targets: NDArray[np.int64],
    class_names: tuple[str, ...],
    feature_names: tuple[str, ...] | None = None,
) -> Arrays:
    """``Arrays`` whose errors name the file they come from."""
    try:
        return Arrays(inputs, targets, class_names, feature_names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def locate(path: Path, root: Path | None) -> Path:
    """The existing file or folder a user means by ``path``: as given, else under the data root; ``~`` is expanded.

    Raises:
        InputError: neither exists.
    """
    candidates = [expanded(path)]
    if root is not None:
        candidates.append(expanded(root) / candidates[0])
    for candidate in candidates:
        try:
            if candidate.exists():
                return candidate
        except OSError as error:
            raise InputError(f"cannot look for {shortened(candidate)}: {error.strerror}; correct the path") from error
    tried = " or ".join(str(candidate.absolute()) for candidate in dict.fromkeys(candidates))
    raise InputError(f"there is no {tried}; correct the path, or set --data-root or TAILWISE_DATA to its folder")


def find_under(root: Path | None, *relative: str) -> Path | None:
    """The first of the ``relative`` files that exists under the data root."""
    if root is None:
        return None
    return next((path for path in map(expanded(root).joinpath, relative) if path.is_file()), None)


def expected_at(root: Path | None, relative: str) -> str:
    """Where a missing file belongs, as the end of a message that asks for it."""
    if root is None:
        return f"DATA_ROOT/{relative}, with --data-root or TAILWISE_DATA naming DATA_ROOT"
    return f"{expanded(root).absolute() / relative}, or name another data root with --data-root or TAILWISE_DATA"


def split_rows(targets: NDArray[np.int64], split: Split, test_fraction: float, seed: int) -> NDArray[np.int64]:
    """Ascending rows of one side of a stratified split.

    Each class gives round(n_c * test_fraction) samples to the test split, but from two samples on at least one to
    each side; a class with a single sample is in training only.

    Raises:
        InputError: no class has two samples.
    """
    counts = ClassCounts.from_targets(targets)
    in_test = np.rint(counts.counts * test_fraction).astype(np.int64)
    in_test = np.minimum(np.maximum(in_test, 1), counts.counts - 1).clip(min=0)
    if not in_test.any():
        raise InputError("test data cannot be split off training data with one sample per class; give a test file")
    test_rows = subset_indices(targets, ClassCounts(in_test), seed)
    return test_rows if split == "test" else np.delete(np.arange(len(targets)), test_rows)


def encode(labels: NDArray[Any], class_names: tuple[str, ...], path: Path) -> NDArray[np.int64]:
    """Labels (N,) of a file as indices into ``class_names``.

    Raises:
        InputError: there is none, or one that is negative or not among the names; the message names ``path``.
    """
    if labels.size == 0:
        raise InputError(f"{path} holds no samples; it needs at least one")
    # A negative label mostly marks what has none; only the pair -1 and 1 is a usual way to write two classes.
    if labels.dtype.kind == "i" and labels.min() < 0 and not np.isin(labels, (-1, 1)).all():
        row = int(np.flatnonzero(labels < 0)[0])
        raise InputError(f"{path} has label {labels[row]} in row {row}; labels start at 0, so drop or relabel the row")
    values, inverse = _distinct(labels)
    index = {name: label for label, name in enumerate(class_names)}
    unknown = [position for position, value in enumerate(values) if str(value) not in index]
    if unknown:
        row = int(np.flatnonzero(inverse == unknown[0])[0])
        shown = ", ".join(class_names[:10]) + (", ..." if len(class_names) > 10 else "")
        raise InputError(
            f"{path} has label {values[unknown[0]]} in row {row}, which the training data do not have; "
            f"use one of theirs ({shown}) or drop the sample"
        )
    return np.array([index[str(value)] for value in values], dtype=np.int64)[inverse]


def _distinct(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The labels that occur, ascending, and which of them each one is, (N,).

    What ``np.unique`` gives; whole numbers in a range shorter than their list are marked rather than sorted.
    """
    lowest = highest = 0
    if labels.dtype.kind in "iu" and labels.size:
        lowest, highest = int(labels.min()), int(labels.max())
    if labels.dtype.kind not in "iu" or highest - lowest >= labels.size or highest >= 2**63:
        values, inverse = np.unique(labels, return_inverse=True)
        return values, inverse
    occurs = np.zeros(highest - lowest + 1, dtype=bool)
    from_lowest = labels.astype(np.int64, copy=False) - lowest
    occurs[from_lowest] = True
    place = np.cumsum(occurs) - 1
    return (np.flatnonzero(occurs) + lowest).astype(labels.dtype), place[from_lowest]
