"""CIFAR-100: photographs of a hundred kinds of things."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import Split, expected_at, find_under
from tailwise.data.sources.cifar import CIFARSource
from tailwise.data.sources.hub_parquet import read_hub_parquet
from tailwise.errors import InputError

_POOL = "cifar100/train_lt_pool.parquet"
_CLASS_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
_SUPERCLASSES = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}


class CIFAR100(CIFARSource):
    """50 000 training and 10 000 test images of a hundred classes, (N, 32, 32, 3).

    Args:
        train: ``official`` for the whole training split; ``pool`` for the long-tailed pool with recovered labels, from
            which subsets are taken with ``data.seed: null`` and an exponential profile with ``cap: true``.
        labels: ``fine`` for the hundred classes, ``coarse`` for the twenty superclasses of five classes each.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """

    summary: ClassVar = "a hundred kinds of things, 50 000 + 10 000 colour images of 32 x 32 pixels, 100 classes"
    layout: ClassVar = (
        "cifar100/cifar-100-binary.tar.gz, or unpacked: cifar100/cifar-100-binary/*.bin, "
        "or cifar100/{train,test}.parquet; train: pool for cifar100/train_lt_pool.parquet"
    )
    folder: ClassVar = "cifar100"
    archive: ClassVar = "cifar-100-binary.tar.gz"
    binary_folder: ClassVar = "cifar-100-binary"
    binary_files: ClassVar = {"train": ("train.bin",), "test": ("test.bin",)}
    label_bytes: ClassVar = 2
    class_names: ClassVar = tuple(_CLASS_NAMES.split())

    name: Literal["cifar100"] = "cifar100"
    train: Literal["official", "pool"] = "official"
    labels: Literal["fine", "coarse"] = "fine"

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split, (N, 32, 32, 3); the test split is the official one in any case."""
        fine = self._load_fine(root, split)
        return fine if self.labels == "fine" else _by_superclass(fine)

    def _load_fine(self, root: Path | None, split: Split) -> Arrays:
        if split == "test" or self.train == "official":
            return super().load(root, split)
        path = find_under(root, _POOL)
        if path is None:
            raise InputError(f"train: pool needs the pool's Parquet file; put it at {expected_at(root, _POOL)}")
        return read_hub_parquet(path, self.class_names, (32, 32, 3))


def _by_superclass(fine: Arrays) -> Arrays:
    superclass = {name: label for label, names in enumerate(_SUPERCLASSES.values()) for name in names.split()}
    of_class = np.array([superclass[name] for name in fine.class_names], dtype=np.int64)
    return Arrays(fine.inputs, of_class[fine.targets], tuple(_SUPERCLASSES))
