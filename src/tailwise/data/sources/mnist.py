"""MNIST: handwritten digits."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import Split
from tailwise.data.sources.idx import IdxSource, digest
from tailwise.errors import InputError


class MNIST(IdxSource):
    """60 000 training and 10 000 test images of the digits 0 to 9, (N, 28, 28, 1).

    Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
    """

    summary: ClassVar = "handwritten digits, 60 000 + 10 000 grey images of 28 x 28 pixels, 10 classes"
    layout: ClassVar = (
        "mnist/{train,t10k}-images-idx3-ubyte[.gz] and mnist/{train,t10k}-labels-idx1-ubyte[.gz], "
        "also in MNIST/raw/; else from the Hugging Face hub"
    )
    folders: ClassVar = ("mnist", "MNIST/raw")
    hub_id: ClassVar = "ylecun/mnist"
    class_names: ClassVar = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

    digests: ClassVar[dict[Split, str]] = {
        "train": "54e1ab866c9484947dd4821c52bb7a43938f555d6b046be6af55247f8e6ffc64",
        "test": "97b756d55950f1841ebd48df7379b9b2fc87a10d63e08d6213dad41d564e8508",
    }
    """Of the published files."""

    name: Literal["mnist"] = "mnist"

    def verify_download(self, fetched: Arrays, split: Split) -> None:
        """Compare the checksum of all samples."""
        if digest(fetched) != self.digests[split]:
            raise InputError(f"what {self.hub_id} holds is not MNIST as it was published; put its own files in place")
