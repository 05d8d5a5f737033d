"""CIFAR-10: photographs of vehicles and animals."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.sources.cifar import CIFARSource


class CIFAR10(CIFARSource):
    """50 000 training and 10 000 test images of ten classes, (N, 32, 32, 3).

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    summary: ClassVar = "vehicles and animals, 50 000 + 10 000 colour images of 32 x 32 pixels, 10 classes"
    layout: ClassVar = (
        "cifar10/cifar-10-binary.tar.gz, or unpacked: cifar10/cifar-10-batches-bin/*.bin, "
        "or cifar10/{train,test}.parquet"
    )
    folder: ClassVar = "cifar10"
    archive: ClassVar = "cifar-10-binary.tar.gz"
    binary_folder: ClassVar = "cifar-10-batches-bin"
    binary_files: ClassVar = {
        "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("test_batch.bin",),
    }
    label_bytes: ClassVar = 1
    class_names: ClassVar = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    name: Literal["cifar10"] = "cifar10"
