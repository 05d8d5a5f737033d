"""Image files in one folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.sources.image_folder import ImageFolder
from tailwise.errors import InputError


def written(folder: Path, **values: list[int]) -> Path:
    """Grey images of the given values, in a folder per class."""
    for name, greys in values.items():
        (folder / name).mkdir(parents=True)
        for grey in greys:
            Image.new("L", (6, 5), grey).save(folder / name / f"{grey:03}.png")
    return folder


def greys(images: np.ndarray) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_train_and_test_folders_are_read_in_sorted_order(tmp_path: Path) -> None:
    written(tmp_path / "train", owl=[30, 20], cat=[10])
    written(tmp_path / "test", owl=[40])
    train, test = (ImageFolder(path=tmp_path).load(None, split) for split in ("train", "test"))
    assert train.class_names == test.class_names == ("cat", "owl")
    assert (greys(train.inputs), train.targets.tolist()) == ([10, 20, 30], [0, 1, 1])
    assert (greys(test.inputs), test.targets.tolist()) == ([40], [1])
    assert train.inputs.shape[1:] == (32, 32, 3)


@pytest.mark.parametrize("below", [".", "train"])
def test_class_folders_without_a_test_folder_are_split(tmp_path: Path, below: str) -> None:
    written(tmp_path / below, cat=[1, 2, 3, 4], owl=[101, 102])
    source = ImageFolder(path=tmp_path, image_size=4, grayscale=True, test_fraction=0.5)
    train, test = (source.load(None, split) for split in ("train", "test"))
    assert (list(train.counts), list(test.counts)) == ([2, 1], [2, 1])
    assert sorted(greys(train.inputs) + greys(test.inputs)) == [1, 2, 3, 4, 101, 102]
    assert (test.targets == (test.inputs[:, 0, 0, 0] > 100)).all()
    assert train.inputs.shape[1:] == (4, 4, 1)


def test_train_may_be_the_name_of_a_class(tmp_path: Path) -> None:
    written(tmp_path, car=[1, 2], train=[3, 4])
    assert ImageFolder(path=tmp_path).load(None, "train").class_names == ("car", "train")


def test_nested_images_count_and_hidden_or_other_files_do_not(tmp_path: Path) -> None:
    written(tmp_path / "train", cat=[1], owl=[2])
    written(tmp_path / "train/owl", night=[3])
    (tmp_path / "train/.cache").mkdir()
    (tmp_path / "train/cat/._001.png").write_bytes(b"a Mac's second file")
    (tmp_path / "train/cat/notes.txt").write_text("fluffy")
    written(tmp_path / "test", cat=[4])
    loaded = ImageFolder(path=tmp_path).load(None, "train")
    assert (greys(loaded.inputs), loaded.targets.tolist()) == ([1, 2, 3], [0, 1, 1])


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    written(tmp_path / "train", cat=[1], owl=[2])
    written(tmp_path / "test", cat=[3])
    broken = tmp_path / "train/owl/bad.JPG"
    broken.write_bytes(b"\xff\xd8\xff cut short")
    with pytest.raises(InputError, match=one_line(broken, "not a readable image; replace or remove it")):
        ImageFolder(path=tmp_path).load(None, "train")


def test_a_class_only_the_test_folder_has_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "train", cat=[1], owl=[2])
    written(tmp_path / "test", dog=[3])
    with pytest.raises(InputError, match=one_line(tmp_path / "test", "label dog", "(cat, owl)")):
        ImageFolder(path=tmp_path).load(None, "test")


def test_a_folder_without_class_folders_is_refused(tmp_path: Path) -> None:
    written(tmp_path, cat=[1, 2])
    with pytest.raises(InputError, match=one_line(tmp_path, "one folder of images per class, at least two; it has 1")):
        ImageFolder(path=tmp_path).load(None, "train")


def test_a_training_class_without_images_is_named(tmp_path: Path) -> None:
    written(tmp_path, cat=[1, 2], owl=[])
    with pytest.raises(InputError, match=one_line(tmp_path / "owl", "holds no images", "fill or remove it")):
        ImageFolder(path=tmp_path).load(None, "train")
