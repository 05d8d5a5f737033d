"""Lists of one's own images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from data.image_files import write_image
from data.sources.messages import one_line
from tailwise.data.image_list import Framing, ImageList
from tailwise.data.sources import ListedImages
from tailwise.errors import InputError


def written(path: Path, labels: list[str], folder: str = "") -> Path:
    """Images beside the list, or in a folder that its paths do not name."""
    lines = []
    for row, label in enumerate(labels):
        write_image(path.parent / folder / f"{path.stem}/{row}.png", 10 * row)
        lines.append(f"{path.stem}/{row}.png {label}\n")
    path.write_text("".join(lines))
    return path


def loaded(source: ListedImages, root: Path | None, split: str) -> ImageList:
    images = source.load(root, split)
    assert isinstance(images, ImageList)
    return images


def test_classes_are_those_of_the_training_list_in_order(tmp_path: Path) -> None:
    written(tmp_path / "a.txt", ["10", "2", "2"])
    written(tmp_path / "b.txt", ["2", "10"])
    source = ListedImages(train=Path("a.txt"), test=Path("b.txt"))
    train, test = loaded(source, tmp_path, "train"), loaded(source, tmp_path, "test")
    assert train.class_names == test.class_names == ("2", "10")
    assert (train.targets.tolist(), test.targets.tolist()) == ([1, 0, 0], [0, 1])
    assert train.kind == test.kind == "uint8 samples of shape (224, 224, 3)"


def test_images_may_lie_in_another_folder(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", ["cat", "owl"], folder="pictures")
    source = ListedImages(train=path, test=path, images=Path("pictures"), image_size=8, resize=9, train_crop="center")
    images = loaded(source, tmp_path, "train")
    assert images.framing == Framing(8, 9, "center")
    assert images.decode(np.arange(2))[:, 0, 0, 0].tolist() == [0, 10]
    missing = one_line("there is no image", tmp_path / "a/0.png", "(line 1 of", path, "set images to the folder")
    with pytest.raises(InputError, match=missing):
        ListedImages(train=path, test=path).load(tmp_path, "train")


def test_without_a_test_list_each_class_gives_its_share(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", ["cat"] * 10 + ["owl"] * 5)
    train, test = (loaded(ListedImages(train=path), None, split) for split in ("train", "test"))
    assert (list(train.counts), list(test.counts)) == ([8, 4], [2, 1])
    assert sorted([*train.paths.tolist(), *test.paths.tolist()]) == sorted(f"a/{row}.png" for row in range(15))
    assert test.lines.tolist() == [int(Path(name).stem) + 1 for name in test.paths]


def test_a_label_of_the_test_list_alone_is_refused(tmp_path: Path) -> None:
    train, test = written(tmp_path / "a.txt", ["0", "1"]), written(tmp_path / "b.txt", ["2"])
    with pytest.raises(InputError, match=one_line(test, "label 2 in row 0, which the training data do not have")):
        ListedImages(train=train, test=test).load(None, "test")


def test_the_crop_is_no_larger_than_the_resized_image() -> None:
    with pytest.raises(ValidationError, match="resize must be at least image_size=300, got 256"):
        ListedImages(train=Path("a.txt"), image_size=300)
