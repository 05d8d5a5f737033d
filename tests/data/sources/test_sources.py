"""What holds for every source, and for the list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from data.sources.messages import one_line
from tailwise.data.sources import SOURCES, Source
from tailwise.errors import InputError

source: TypeAdapter[Source] = TypeAdapter(Source)

WRITTEN: dict[str, dict[str, Any]] = {
    "digits": {},
    "mnist": {},
    "fashion-mnist": {},
    "gppe-mnist": {},
    "cifar10": {},
    "cifar100": {"train": "pool"},
    "svhn": {},
    "caltech101": {"image_size": 32},
    "htru2": {},
    "htru-medlat": {"image": "both", "train_rfi": 100},
    "imagenet-lt": {"image_size": 160, "resize": 180},
    "places-lt": {"train_crop": "random-resized"},
    "inaturalist2018": {"images": "species"},
    "npz": {"train": "a.npz", "test": "b.npz", "inputs": "x"},
    "parquet": {"train": "a.parquet", "image_size": 32, "grayscale": True},
    "csv": {"train": "a.csv", "target": "class", "features": ["width", "height"], "test_fraction": 0.5},
    "image-folder": {"path": "photos", "split_seed": 4},
    "image-list": {"train": "a.txt", "images": "photos", "test_fraction": 0.1},
}


def test_the_list_holds_every_source() -> None:
    assert set(SOURCES) == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_recipe_names_a_source_and_can_be_written_again(name: str) -> None:
    parsed = source.validate_python({"name": name, **WRITTEN[name]})
    assert type(parsed) is SOURCES[name]
    assert source.validate_python(source.dump_python(parsed, mode="json")) == parsed


@pytest.mark.parametrize("name", WRITTEN)
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="not permitted"):
        source.validate_python({"name": name, "colour": "red", **WRITTEN[name]})


def test_an_unknown_source_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match=r"'digits', 'mnist', .* 'csv', 'image-folder', 'image-list'"):
        source.validate_python({"name": "imagenet"})


@pytest.mark.parametrize("fraction", [0, 1, -0.1])
def test_a_test_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(ValidationError, match="test_fraction"):
        source.validate_python({"name": "npz", "train": "a.npz", "test_fraction": fraction})


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_described_in_one_line_each(name: str) -> None:
    for described in (SOURCES[name].summary, SOURCES[name].layout):
        assert described.strip()
        assert "\n" not in described


@pytest.mark.parametrize("name", sorted(set(WRITTEN) - {"digits", "mnist", "fashion-mnist"}))
def test_a_missing_file_is_named_with_its_full_path(name: str, tmp_path: Path) -> None:
    parsed = source.validate_python({"name": name, **WRITTEN[name]})
    with pytest.raises(InputError, match=one_line(tmp_path, "--data-root", "TAILWISE_DATA")):
        parsed.load(tmp_path, "train")
