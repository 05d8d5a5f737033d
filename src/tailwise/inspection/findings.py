"""What an inspection finds in a data set, before it is shown or advice is drawn from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.data.sources import Split
from tailwise.inspection.evidence import Kind
from tailwise.inspection.near_duplicates import Pairs, equal_rows, near_duplicates, thumbnails
from tailwise.inspection.parts import Part, read_parts


@dataclass(frozen=True)
class Sample:
    """One sample of a finding."""

    split: Split
    row: int
    name: str
    class_name: str


@dataclass(frozen=True)
class Broken:
    """A sample that cannot be read, and why."""

    sample: Sample
    reason: str


@dataclass(frozen=True)
class Twins:
    """Samples that are the same, or nearly."""

    first: Sample
    second: Sample

    @property
    def across(self) -> bool:
        """Whether one is a training and the other a test sample: the test then tells too much."""
        return self.first.split != self.second.split

    @property
    def contradict(self) -> bool:
        """Whether their labels differ."""
        return self.first.class_name != self.second.class_name


@dataclass(frozen=True)
class Inspection:
    """What is in a data set.

    Args:
        data: as the user named it.
        config: of the data.
        class_names: (C,) in the order of the classes.
        train: samples of each class.
        test: likewise.
        kind: of the samples.
        shapes: how many samples have which shape, the most frequent first; empty where none was read.
        broken: samples that cannot be read.
        twins: pairs of samples that are nearly the same.
        parts: where the samples can be read again; empty where none was read.
    """

    data: str
    config: DataConfig
    class_names: tuple[str, ...]
    train: ClassCounts
    test: ClassCounts
    kind: Kind
    shapes: dict[tuple[int, ...], int] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()
    twins: tuple[Twins, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether the samples themselves were looked at."""
        return bool(self.shapes)

    @property
    def is_image(self) -> bool:
        """Whether the samples are images; False where none was read."""
        return any(len(shape) == 3 for shape in self.shapes)

    def missing(self, split: Split) -> list[str]:
        """Names of the classes without a sample in a split."""
        counts = self.train if split == "train" else self.test
        return [name for name, count in zip(self.class_names, counts, strict=True) if count == 0]

    @property
    def leaked(self) -> list[Twins]:
        """Those of a training and a test sample."""
        return [pair for pair in self.twins if pair.across]

    @property
    def contradicting(self) -> list[Twins]:
        """Those whose labels differ."""
        return [pair for pair in self.twins if pair.contradict]


def _ignore(done: int, of: int) -> None:
    """The default listener."""


def inspect(
    data: str,
    config: DataConfig,
    root: Path | None,
    read_samples: bool = True,
    on_progress: Callable[[int, int], None] = _ignore,
) -> Inspection:
    """Look at the labels and, unless told otherwise, at every sample of a data set.

    Args:
        data: as the user named it.
        config: of the data.
        root: folder of data sets.
        read_samples: whether to read the samples, for what cannot be read and what is there twice.
        on_progress: called with how many samples have been read, of how many.

    Raises:
        InputError: the data cannot be used at all.
    """
    parts = read_parts(config, root)
    train, test = parts
    found = Inspection(data, config, train.samples.class_names, train.samples.counts, test.samples.counts, train.kind)
    return _with_samples(found, parts, on_progress) if read_samples else found


def _with_samples(found: Inspection, parts: tuple[Part, Part], on_progress: Callable[[int, int], None]) -> Inspection:
    total, done = sum(len(part.samples.targets) for part in parts), 0
    shapes: Counter[tuple[int, ...]] = Counter()
    broken: list[Broken] = []
    places: list[NDArray[np.int64]] = []  # of what has been read: its part and row

    def readable() -> Iterator[NDArray[Any]]:
        nonlocal done
        for number, part in enumerate(parts):
            failed: dict[int, str] = {}
            for rows, inputs in part.batches(failed):
                shapes[inputs.shape[1:]] += len(rows)
                places.append(np.stack([np.full(len(rows), number), rows], axis=1))
                done += len(rows)
                on_progress(done, total)
                yield inputs
            broken.extend(Broken(_sample(part, row), reason) for row, reason in sorted(failed.items()))

    pairs = _twins(readable())
    place = np.concatenate([np.empty((0, 2), dtype=np.int64), *places])

    def sample(index: int) -> Sample:
        number, row = place[index].tolist()
        return _sample(parts[number], row)

    twins = tuple(Twins(sample(first), sample(second)) for first, second in pairs.tolist())
    return replace(found, shapes=dict(shapes.most_common()), broken=tuple(broken), twins=twins, parts=parts)


def _twins(batches: Iterator[NDArray[Any]]) -> Pairs:
    """Of images, or of rows of a table."""
    first = next(batches, None)
    if first is None:
        return np.empty((0, 2), dtype=np.int64)

    def all_batches() -> Iterator[NDArray[Any]]:
        yield first
        yield from batches

    if first.ndim == 4:
        return near_duplicates(thumbnails(all_batches()))
    return equal_rows(np.concatenate(list(all_batches())))


def _sample(part: Part, row: int) -> Sample:
    samples = part.samples
    return Sample(part.split, row, part.name_of(row), samples.class_names[samples.targets[row]])
