"""Fashion-MNIST: articles of clothing."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import Split
from tailwise.data.sources.idx import IdxSource
from tailwise.errors import InputError


class FashionMNIST(IdxSource):
    """60 000 training and 10 000 test images of ten kinds of clothing, (N, 28, 28, 1).

    Source: Xiao et al., "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
    """

    summary: ClassVar = "articles of clothing, 60 000 + 10 000 grey images of 28 x 28 pixels, 10 classes"
    layout: ClassVar = (
        "fashion-mnist/{train,t10k}-images-idx3-ubyte[.gz] and fashion-mnist/{train,t10k}-labels-idx1-ubyte[.gz], "
        "also in FashionMNIST/raw/; else from the Hugging Face hub"
    )
    folders: ClassVar = ("fashion-mnist", "FashionMNIST/raw")
    hub_id: ClassVar = "zalando-datasets/fashion_mnist"
    class_names: ClassVar = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )

    name: Literal["fashion-mnist"] = "fashion-mnist"

    def verify_download(self, fetched: Arrays, split: Split) -> None:
        """Count the classes, of which each is to have as many."""
        each = 6000 if split == "train" else 1000
        if set(fetched.counts) != {each}:
            raise InputError(f"{self.hub_id} is to hold {each} samples of each class, got {list(fetched.counts)}")
