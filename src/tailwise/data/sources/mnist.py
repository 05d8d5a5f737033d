"""MNIST: handwritten digits."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.sources.idx import IdxSource


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

    name: Literal["mnist"] = "mnist"
