"""The pulsar candidates of HTRU Medlat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from data.sources.messages import one_line
from data.sources.phcx_files import block, candidate, written
from tailwise.data.sources.htru_medlat import HTRUMedlat
from tailwise.errors import InputError

SMALL: dict[str, Any] = {"train_pulsars": 2, "train_rfi": 4, "test_pulsars_from": 3, "test_rfi_from": 5}


def number(value: int) -> np.ndarray:
    """A block that says which file it is of: a bright column at that place."""
    values = np.zeros((2, 64), np.uint8)
    values[:, value] = 255
    return values


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pulsars and eight RFI; sub-integrations are marked from the left, bands from the right."""
    root = tmp_path_factory.mktemp("candidates")
    for kind, count in (("pulsars", 5), ("RFI", 8)):
        for place in range(count):
            content = candidate(
                block("SubIntegrations", number(place), -1.0, 3.0), block("SubBands", number(63 - place), 5.0, 6.0)
            )
            written(root / f"htru-medlat/{kind}/{kind}_{place:04d}.phcx.gz", content)
        (root / f"htru-medlat/{kind}/readme.txt").touch()
    return root


def marks(images: np.ndarray) -> list[int]:
    return images.max(axis=1).argmax(axis=1).tolist()


def test_the_first_candidates_train_and_the_last_ones_test(collection: Path) -> None:
    train, test = (HTRUMedlat(**SMALL).load(collection, split) for split in ("train", "test"))
    assert train.class_names == test.class_names == ("RFI", "pulsar")
    assert marks(train.inputs[..., 0]) == [0, 1, 2, 3, 0, 1]
    assert train.targets.tolist() == [0, 0, 0, 0, 1, 1]
    assert marks(test.inputs[..., 0]) == [5, 6, 7, 3, 4]
    assert test.targets.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("image", "channels"), [("subintegrations", 1), ("subbands", 1), ("both", 2)])
def test_the_image_is_of_the_blocks_asked_for(collection: Path, image: str, channels: int) -> None:
    loaded = HTRUMedlat(image=image, **SMALL).load(collection, "train")
    assert loaded.inputs.shape == (6, 64, 64, channels)
    if image != "subbands":
        assert marks(loaded.inputs[..., 0])[:4] == [0, 1, 2, 3]
    if image != "subintegrations":
        assert marks(loaded.inputs[..., -1])[:4] == [63, 62, 61, 60]


def test_every_image_is_spread_over_0_to_255_at_any_size(collection: Path) -> None:
    loaded = HTRUMedlat(image_size=20, **SMALL).load(collection, "train")
    assert loaded.inputs.shape == (6, 20, 20, 1)
    assert (loaded.inputs.min(axis=(1, 2, 3)) == 0).all()
    assert (loaded.inputs.max(axis=(1, 2, 3)) == 255).all()


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 10, [0, 255]), (10, 0, [255, 0]), (3, 3, [0, 0])])
def test_brightness_follows_the_values_of_the_block(
    tmp_path: Path, low: float, high: float, expected: list[int]
) -> None:
    halves = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1)
    content = candidate(block("SubIntegrations", halves, low, high), "")
    for kind in ("pulsars", "RFI"):
        written(tmp_path / f"htru-medlat/{kind}/a.phcx.gz", content)
    images = HTRUMedlat(train_pulsars=1, train_rfi=1).load(tmp_path, "train").inputs
    assert images[0, 32, [0, -1], 0].tolist() == expected


@pytest.mark.parametrize(
    ("split", "option", "value", "needed"),
    [("train", "train_pulsars", 6, 6), ("train", "train_rfi", 9, 9), ("test", "test_rfi_from", 8, 9)],
)
def test_too_few_candidates_are_counted(collection: Path, split: Any, option: str, value: int, needed: int) -> None:
    wide = {"test_pulsars_from": 100, "test_rfi_from": 100} if split == "train" else {}
    source = HTRUMedlat(**SMALL | wide | {option: value})
    kind = "RFI" if "rfi" in option else "pulsars"
    message = one_line(collection / "htru-medlat" / kind, f"at least {needed} files *.phcx.gz", f"lower {option}")
    with pytest.raises(InputError, match=message):
        source.load(collection, split)


def test_the_papers_split_is_the_default(collection: Path) -> None:
    for split, needed in (("train", 27_000), ("test", 45_001)):
        with pytest.raises(InputError, match=one_line("RFI must hold at least", needed)):
            HTRUMedlat().load(collection, split)


@pytest.mark.parametrize("kind", ["pulsars", "rfi"])
def test_training_samples_are_never_tested_on(kind: str) -> None:
    with pytest.raises(ValidationError, match=f"test_{kind}_from must be at least train_{kind}=8"):
        HTRUMedlat(**SMALL | {f"train_{kind}": 8})


def test_a_broken_candidate_is_named(tmp_path: Path) -> None:
    for kind in ("pulsars", "RFI"):
        path = written(tmp_path / f"htru-medlat/{kind}/a.phcx.gz", "<phcf/>")
    with pytest.raises(InputError, match=one_line(path, "has no SubIntegrations")):
        HTRUMedlat(train_pulsars=1, train_rfi=1).load(tmp_path, "train")
