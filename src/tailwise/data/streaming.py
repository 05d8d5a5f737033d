"""Batches of an image list, decoded by worker processes while the network works on the batch before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tailwise.data.image_list import ImageList
from tailwise.distributed import ALONE, Share
from tailwise.errors import InputError, first_line

LARGEST_EVALUATION_BATCH = 256
"""Evaluation may ask for more at a time than of tables and small images: 256 images of 224 pixels are 39 MB."""


class _Request(NamedTuple):
    rows: NDArray[np.int64]
    entropy: tuple[int, ...] | None
    places: slice
    """Of the rows, those to be decoded."""


class StreamedSamples:
    """An image list, decoded in the order asked for.

    What comes out does not depend on the number of workers.

    Args:
        images: the list.
        device: where the batches go, through pinned memory where it is a GPU.
        workers: processes that decode; by default as many as torch has threads, or none for a single thread on a CPU.
    """

    def __init__(self, images: ImageList, device: torch.device, workers: int | None = None) -> None:
        self.device = device
        self.targets = torch.from_numpy(images.targets)
        if workers is None:
            threads = torch.get_num_threads()
            workers = threads if threads > 1 or device.type == "cuda" else 0
        self._requests: list[_Request] = []
        self._loader: DataLoader[Tensor | InputError] = DataLoader(
            _Decoder(images),
            batch_size=None,
            sampler=self._requests,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # its own: a draw from the global one would shift what training draws
        )

    @property
    def residence(self) -> str:
        """Where the samples come from, for the record."""
        workers = self._loader.num_workers
        return f"streamed from {len(self.targets)} files by {workers} worker{'s' if workers != 1 else ''}"

    def batches(
        self, order: Tensor, batch_size: int, entropy: tuple[int, ...] | None, share: Share = ALONE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of the samples at ``order`` (M,).

        Args:
            order: rows of the list.
            batch_size: of training; evaluation takes at most :data:`LARGEST_EVALUATION_BATCH` at a time.
            entropy: what random crops are drawn from, with the number of the batch; None evaluates.
            share: what of each batch is decoded here; the targets are of all of it.
        """
        rows = torch.split(order.cpu(), batch_size if entropy else min(batch_size, LARGEST_EVALUATION_BATCH))
        self._requests[:] = [
            _Request(chosen.numpy(), entropy and (*entropy, number), share.rows(len(chosen)))
            for number, chosen in enumerate(rows)
        ]
        for chosen, inputs in zip(rows, self._decoded(), strict=True):
            if isinstance(inputs, InputError):
                raise inputs
            yield inputs.to(self.device, non_blocking=True), self.targets[chosen].to(self.device)

    def _decoded(self) -> Iterator[Tensor | InputError]:
        try:
            yield from self._loader
        except (RuntimeError, ConnectionError, EOFError) as error:
            said = str(error)
            # "Caught ... in DataLoader worker" is of one that lives, though not of use without shared memory.
            died = "shared memory" in said or ("DataLoader worker" in said and not said.startswith("Caught"))
            if isinstance(error, RuntimeError) and not died:
                raise
            raise DecoderDiedError(first_line(error).rstrip(".")) from error


class DecoderDiedError(RuntimeError):
    """A process that decodes images is no more."""


class _Decoder(Dataset[Tensor | InputError]):
    """Whole batches, one tensor a time; errors are values, as torch would rewrite the message of one that is raised."""

    def __init__(self, images: ImageList) -> None:
        self._images = images

    def __getitem__(self, request: _Request) -> Tensor | InputError:
        try:
            return torch.from_numpy(self._images.decode(*request))
        except InputError as error:
            return InputError(str(error))  # without the traceback and the cause, which need not pickle
