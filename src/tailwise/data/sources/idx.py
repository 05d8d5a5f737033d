"""The idx file format of MNIST and its relatives, read from disk or fetched from the Hugging Face hub."""

from __future__ import annotations

import gzip
import hashlib
import logging
import math
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, arrays, expected_at, find_under
from tailwise.data.sources.parquet import decode_column
from tailwise.errors import InputError, first_line
from tailwise.reading import regular
from tailwise.unpacking import require_memory

_PREFIX: dict[Split, str] = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
HUB_TIMEOUT = 10.0
"""Seconds in which the hub must answer."""


class IdxSource(SourceModel):
    """A data set in MNIST's four idx files."""

    folders: ClassVar[tuple[str, str]]
    """Where the files may be under the data root; the first is the one messages name."""
    hub_id: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split, (N, 28, 28, 1), from the data root or else from the Hugging Face hub."""
        images_file = f"{_PREFIX[split]}-images-idx3-ubyte"
        labels_file = f"{_PREFIX[split]}-labels-idx1-ubyte"
        images_path, labels_path = self._find(root, images_file), self._find(root, labels_file)
        if images_path is None or labels_path is None:
            wanted = f"{images_file}.gz and {labels_file}.gz in {expected_at(root, self.folders[0])}"
            return self._from_hub(split, wanted)
        targets = read_idx(labels_path, dimensions=1).astype(np.int64)
        return arrays(images_path, read_idx(images_path, dimensions=3)[..., None], targets, self.class_names)

    def _find(self, root: Path | None, name: str) -> Path | None:
        return find_under(root, *(f"{folder}/{name}{end}" for folder in self.folders for end in ("", ".gz")))

    def _from_hub(self, split: Split, wanted: str) -> Arrays:
        try:
            import datasets

            with _offline_where_unreachable(self.hub_id):
                logging.getLogger("tailwise").info("fetching %s (%s) from the Hugging Face hub", self.hub_id, split)
                table = datasets.load_dataset(self.hub_id, split=split).with_format("arrow")[:]
        except Exception as error:  # a missing package, network, hub, cache, disk: each has exceptions of its own
            reason = first_line(error)
            raise InputError(
                f"{self.hub_id} cannot be downloaded ({reason}); "
                f'go online after pip install "tailwise[hub]", or put {wanted}'
            ) from error
        rows = np.arange(len(table))
        images = decode_column(table["image"], rows, Path(self.hub_id), image_size=None, grayscale=True)
        fetched = arrays(Path(self.hub_id), images, table["label"].to_numpy().astype(np.int64), self.class_names)
        self.verify_download(fetched, split)
        return fetched

    @abstractmethod
    def verify_download(self, fetched: Arrays, split: Split) -> None:
        """Refuse what is not the data set as it was published.

        Raises:
            InputError: it is not.
        """


def digest(samples: Arrays) -> str:
    """SHA-256 of the samples with their labels, in whatever order they are."""
    labelled = zip(samples.inputs, samples.targets.tolist(), strict=True)
    each = sorted(hashlib.sha256(image.tobytes() + bytes((label,))).digest() for image, label in labelled)
    return hashlib.sha256(b"".join(each)).hexdigest()


@contextmanager
def _offline_where_unreachable(hub_id: str) -> Iterator[None]:
    """Set the hub's library offline if one request fails: it may have the data cached.

    Left online it would repeat every request for half a minute, a warning each time, which no argument of
    ``load_dataset`` prevents.
    """
    from huggingface_hub import HfApi, constants

    offline, unreachable = constants.HF_HUB_OFFLINE, None
    try:
        HfApi().dataset_info(hub_id, timeout=HUB_TIMEOUT)
    except Exception as error:  # no network, proxy, server, permission: each has exceptions of its own
        constants.HF_HUB_OFFLINE, unreachable = True, error
    try:
        yield
    except Exception:
        if unreachable is not None:
            raise unreachable from None
        raise
    finally:
        constants.HF_HUB_OFFLINE = offline


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The unsigned bytes of an idx file, plain or ending in .gz, with that many dimensions.

    The format: two zero bytes, the type, the number of dimensions, each dimension as a big-endian 32-bit integer,
    then the values.

    Raises:
        InputError: the file cannot be read or unzipped, or is not of this form and length.
    """
    try:
        with gzip.open(regular(path)) if path.suffix == ".gz" else regular(path).open("rb") as file:
            magic, sizes = file.read(4), file.read(4 * dimensions)
            if magic != bytes((0, 0, _UNSIGNED_BYTE, dimensions)) or len(sizes) < 4 * dimensions:
                raise InputError(
                    f"{path} does not start as an idx file of unsigned bytes in {dimensions} dimensions; fetch it anew"
                )
            shape = tuple(np.frombuffer(sizes, dtype=">u4").tolist())
            expected = math.prod(shape)
            require_memory(path, expected)
            values = np.frombuffer(file.read(expected + 1), dtype=np.uint8)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}); fetch it anew") from error
    if len(values) != expected:
        more = "more than " if len(values) > expected else ""
        raise InputError(
            f"{path} holds {more}{min(len(values), expected)} values where its header says {expected}; fetch it anew"
        )
    return values.reshape(shape).copy()
