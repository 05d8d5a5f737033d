"""The data sets a recipe can name, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias, get_args

from pydantic import Field

from tailwise.data.sources.base import SourceModel, Split
from tailwise.data.sources.caltech101 import Caltech101
from tailwise.data.sources.cifar10 import CIFAR10
from tailwise.data.sources.cifar100 import CIFAR100
from tailwise.data.sources.csv import CSV
from tailwise.data.sources.digits import Digits
from tailwise.data.sources.fashion_mnist import FashionMNIST
from tailwise.data.sources.gppe_mnist import GPPEMNIST
from tailwise.data.sources.htru2 import HTRU2
from tailwise.data.sources.htru_medlat import HTRUMedlat
from tailwise.data.sources.image_folder import ImageFolder
from tailwise.data.sources.image_list import ListedImages
from tailwise.data.sources.imagenet_lt import ImageNetLT
from tailwise.data.sources.inaturalist2018 import INaturalist2018
from tailwise.data.sources.mnist import MNIST
from tailwise.data.sources.npz import Npz
from tailwise.data.sources.parquet import Parquet
from tailwise.data.sources.places_lt import PlacesLT
from tailwise.data.sources.svhn import SVHN

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "CSV",
    "GPPEMNIST",
    "HTRU2",
    "MNIST",
    "SOURCES",
    "SVHN",
    "Caltech101",
    "Digits",
    "FashionMNIST",
    "HTRUMedlat",
    "INaturalist2018",
    "ImageFolder",
    "ImageNetLT",
    "ListedImages",
    "Npz",
    "Parquet",
    "PlacesLT",
    "Source",
    "SourceModel",
    "Split",
]

Source: TypeAlias = Annotated[
    Digits
    | MNIST
    | FashionMNIST
    | GPPEMNIST
    | CIFAR10
    | CIFAR100
    | SVHN
    | Caltech101
    | HTRU2
    | HTRUMedlat
    | ImageNetLT
    | PlacesLT
    | INaturalist2018
    | Npz
    | Parquet
    | CSV
    | ImageFolder
    | ListedImages,
    Field(discriminator="name"),
]

SOURCES: Mapping[str, type[SourceModel]] = MappingProxyType(
    {source.model_fields["name"].default: source for source in get_args(get_args(Source)[0])}
)
"""Every source by its name in recipes; ``summary`` and ``layout`` describe it."""
