"""The splits of a data set as an inspection reads them: labels first, then inputs, setting aside what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.config import DataConfig
from tailwise.data.image_list import ImageList
from tailwise.data.labelled import Labelled
from tailwise.data.profiles import subset_indices, test_counts
from tailwise.data.sources import Split
from tailwise.data.sources.base import Table, UserSource
from tailwise.data.sources.list_file import ListTable
from tailwise.errors import InputError
from tailwise.inspection.evidence import LEAST_SIDE, Kind

TOGETHER = 256
"""Samples that are read at a time."""


@dataclass(frozen=True, eq=False)
class Unread(Labelled):
    """Rows of a user's file, of which the labels are known and the inputs are still in the file."""

    path: Path
    table: Table
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """That of the first sample."""
        return self.table.inputs(self.rows[:1]).shape[1:]

    @property
    def identity(self) -> tuple[NDArray[Any], ...]:
        """The rows and their labels."""
        return self.rows, self.targets

    def fitting_inputs(self) -> NDArray[np.uint8] | NDArray[np.float32]:
        """All of them."""
        return self.table.inputs(self.rows)

    def _select(self, rows: NDArray[Any], targets: NDArray[np.int64], class_names: tuple[str, ...]) -> Unread:
        return replace(self, rows=self.rows[rows], targets=targets, class_names=class_names)


@dataclass(frozen=True)
class Part:
    """The samples of one split."""

    split: Split
    samples: Labelled

    def read(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The inputs of some samples.

        Raises:
            InputError: one of them cannot be read.
        """
        samples = self.samples
        if isinstance(samples, Unread):
            return samples.table.inputs(samples.rows[rows])
        if isinstance(samples, ImageList):
            return samples.decode(rows)
        assert isinstance(samples, Arrays)
        return samples.inputs[rows]

    @property
    def kind(self) -> Kind:
        """As the first sample's shape tells."""
        try:
            shape = self.samples.sample_shape
        except InputError:  # of a file that is to hold an image
            return "images"
        return "images" if len(shape) == 3 and min(shape[:2]) >= LEAST_SIDE else "table"

    def name_of(self, row: int) -> str:
        """What a sample is called: its file, or its place."""
        samples = self.samples
        if isinstance(samples, Unread):
            place = int(samples.rows[row])
            return samples.table.name_of(place) if samples.table.name_of else f"row {place} of {samples.path}"
        if isinstance(samples, ImageList):
            return str(samples.folder / str(samples.paths[row]))
        return f"{self.split} sample {row}"

    def batches(self, broken: dict[int, str]) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """Rows and their inputs, images of one size together; those that cannot be read join ``broken``, with why."""
        for start in range(0, len(self.samples.targets), TOGETHER):
            rows = np.arange(start, min(start + TOGETHER, len(self.samples.targets)))
            try:
                yield rows, self.read(rows)
            except InputError:  # of one of them, or they differ in size
                yield from self._one_by_one(rows, broken)

    def _one_by_one(
        self, rows: NDArray[np.int64], broken: dict[int, str]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        for row in rows:
            try:
                found = self.read(row[None])
            except InputError as error:
                broken[int(row)] = str(error)
            else:
                yield row[None], found


def read_parts(config: DataConfig, root: Path | None) -> tuple[Part, Part]:
    """The training and the test samples of a recipe's data section, with its classes and profiles.

    Raises:
        InputError: the data cannot be used at all: a file is missing or no such file, or a profile asks for more than
            there is.
    """
    train, test = (_labelled(config, root, split) for split in ("train", "test"))
    train = train.subset(subset_indices(train.targets, config.profile.class_counts(train.counts), config.seed))
    counts = test_counts(test.counts, config.test_profile, train.counts)
    test = test.subset(subset_indices(test.targets, counts, config.seed))
    return Part("train", train), Part("test", test)


def _labelled(config: DataConfig, root: Path | None, split: Split) -> Labelled:
    source = config.source
    samples: Labelled
    if isinstance(source, UserSource):
        selection = source.select(root, split)
        is_list = isinstance(selection.table, ListTable)
        samples = source.gather(root, *selection) if is_list else Unread(*selection)
    else:
        samples = source.load(root, split)
    return samples if config.classes is None else samples.only_classes(config.classes)
