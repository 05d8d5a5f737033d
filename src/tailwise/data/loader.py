"""From a recipe's data section to batches on the device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tailwise.data.arrays import Arrays
from tailwise.data.augment.steps import check_steps
from tailwise.data.config import DataConfig
from tailwise.data.image_list import ImageList
from tailwise.data.labelled import Labelled
from tailwise.data.profiles import subset_indices, test_counts, validation_counts
from tailwise.data.sources import Split
from tailwise.data.streaming import StreamedSamples
from tailwise.distributed import ALONE, Share
from tailwise.errors import InputError
from tailwise.sampling import Draw, Partners

SHARE_OF_FREE_MEMORY = 0.5
"""Of a GPU, that a data set may take; a larger one stays in the host's memory."""


@dataclass(frozen=True)
class Chosen:
    """The samples of one split that a run uses, and where in the source's split they stand."""

    arrays: Labelled
    indices: NDArray[np.int64]


@dataclass(frozen=True)
class PreparedData:
    """Training and test samples of a run, and those held out of training where there are.

    A run that is not to be tested has no test samples.
    """

    train: Chosen
    test: Chosen | None
    validation: Chosen | None = None

    @property
    def parts(self) -> dict[str, Chosen]:
        """The samples by what they are for."""
        parts = {"train": self.train, "test": self.test, "validation": self.validation}
        return {name: chosen for name, chosen in parts.items() if chosen is not None}

    def fingerprint(self) -> str:
        """A hash of every sample, or its path, and label, by which a resumed run knows its data again."""
        digest = hashlib.sha256()
        for chosen in self.parts.values():
            for array in (*chosen.arrays.identity, chosen.indices):
                digest.update(repr((array.shape, array.dtype)).encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def prepare(config: DataConfig, root: Path | None, tested: bool = True) -> PreparedData:
    """Read the source, keep the wanted classes, draw the training and the test profile, and carve the validation split.

    The test samples are the same whether there is a validation split or not; they are not read unless ``tested``.

    Raises:
        InputError: a file is missing or broken, there are not two classes, the test samples are shaped otherwise than
            the training samples, or a profile or an augmentation asks for what the data do not have.
    """
    train = _read(config, root, "train")
    if len(train.arrays.class_names) < 2:
        raise InputError(f"training needs at least two classes, got {', '.join(train.arrays.class_names)} alone")
    check_steps(config.augmentation, train.arrays.sample_shape)
    available = train.arrays.counts
    train = _draw(train, subset_indices(train.arrays.targets, config.profile.class_counts(available), config.seed))
    test = _test_samples(config, root, train) if tested else None
    if config.validation_fraction == 0:
        return PreparedData(train, test)
    carved = validation_counts(train.arrays.counts, config.validation_fraction)
    held_out = subset_indices(train.arrays.targets, carved, config.seed, config.validation_fold)
    kept = np.delete(np.arange(len(train.indices)), held_out)
    return PreparedData(_draw(train, kept), test, _draw(train, held_out))


def _test_samples(config: DataConfig, root: Path | None, train: Chosen) -> Chosen:
    test = _read(config, root, "test")
    if train.arrays.kind != test.arrays.kind:
        raise InputError(f"training data are {train.arrays.kind} but test data {test.arrays.kind}; they must be alike")
    counts = test_counts(test.arrays.counts, config.test_profile, train.arrays.counts)
    return _draw(test, subset_indices(test.arrays.targets, counts, config.seed))


def _read(config: DataConfig, root: Path | None, split: Split) -> Chosen:
    arrays = config.source.load(root, split)
    if config.classes is None:
        return Chosen(arrays, np.arange(len(arrays.targets)))
    kept = np.flatnonzero(np.isin(arrays.targets, config.classes))
    return Chosen(arrays.only_classes(config.classes), kept)


def _draw(chosen: Chosen, rows: NDArray[np.int64]) -> Chosen:
    return Chosen(chosen.arrays.subset(rows), chosen.indices[rows])


def epoch_order(count: int, seed: int, epoch: int, draw: Draw | None = None) -> Tensor:
    """(M,) which of ``count`` samples an epoch trains on, in order: every one once, or those that ``draw`` names."""
    if draw is not None:
        return torch.from_numpy(draw(epoch)).long()
    # The constant keeps the orders of neighbouring seeds apart: seed + epoch would share them.
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(count, generator=generator)


class Batches:
    """A data set handed out in batches on the device: resident there, or an image list decoded on the way.

    The order of an epoch follows from (seed, epoch) alone, so that a resumed run sees what an undisturbed one sees.
    Where several processes train together, each gets the inputs of its share of a batch, and the targets of all.
    """

    def __init__(self, arrays: Labelled, batch_size: int, device: torch.device, share: Share = ALONE) -> None:
        self.samples = _samples(arrays, device)
        self.share = share
        self.count = len(arrays.targets)
        self.batch_size = batch_size

    @property
    def residence(self) -> str:
        """Where the samples come from in training: "resident on cuda, 38.1 MB", or streamed."""
        return self.samples.residence

    def shuffled(
        self, seed: int, epoch: int, draw: Draw | None = None, partners: Partners | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The samples of ``epoch`` in random order: every one once, or those that ``draw`` names.

        Where there are ``partners``, they are the second half of each batch, which then has twice as many samples.
        """
        order = epoch_order(self.count, seed, epoch, draw)
        batch_size = self.batch_size
        drawn = None if partners is None else partners(epoch, len(order))
        if drawn is not None:
            beside = torch.from_numpy(drawn).long()
            halves = zip(torch.split(order, batch_size), torch.split(beside, batch_size), strict=True)
            order = torch.cat([half for pair in halves for half in pair])
            batch_size *= 2
        yield from self.samples.batches(order, batch_size, (seed, epoch), self.share)

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, as they stand."""
        yield from self.samples.batches(torch.arange(self.count), self.batch_size, None, self.share)


class ResidentSamples:
    """A data set that stays on the device, or, where it would take too much of a GPU's memory, in the host's."""

    def __init__(self, arrays: Arrays, device: torch.device) -> None:
        self.device = device
        self.bytes = arrays.inputs.nbytes
        home = device if _fits(self.bytes, device) else torch.device("cpu")
        self.inputs = torch.from_numpy(arrays.inputs).to(home)
        self.targets = torch.from_numpy(arrays.targets).to(home)

    @property
    def residence(self) -> str:
        """Where the samples are, for the record."""
        home = self.inputs.device.type
        where = (
            f"resident on {home}"
            if home == self.device.type
            else f"in the host's memory, batches go to {self.device.type}"
        )
        return f"{where}, {self.bytes / 1e6:.1f} MB"

    def batches(
        self, order: Tensor, batch_size: int, entropy: tuple[int, ...] | None, share: Share = ALONE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The share's inputs and all targets of the samples at ``order`` (M,); nothing in them is random."""
        for rows in torch.split(order.to(self.targets.device), batch_size):
            own = rows[share.rows(len(rows))]
            yield self._on_device(self.inputs[own]), self._on_device(self.targets[rows])

    def _on_device(self, batch: Tensor) -> Tensor:
        if batch.device.type == self.device.type:
            return batch
        return batch.pin_memory().to(self.device, non_blocking=True)


def _fits(size: int, device: torch.device) -> bool:
    """Whether so many bytes leave most of a GPU's free memory to the training; a CPU's holds them already."""
    return device.type != "cuda" or size <= SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]


def _samples(arrays: Labelled, device: torch.device) -> ResidentSamples | StreamedSamples:
    if isinstance(arrays, ImageList):
        return StreamedSamples(arrays, device)
    assert isinstance(arrays, Arrays)
    return ResidentSamples(arrays, device)
