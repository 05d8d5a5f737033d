"""ImageNet-LT, Places-LT and iNaturalist 2018, in short lists of the published form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.image_files import write_image
from data.sources.messages import one_line
from tailwise.data.sources import ImageNetLT, INaturalist2018, PlacesLT
from tailwise.data.sources.published_list import PublishedList
from tailwise.errors import InputError

PUBLISHED = [
    (ImageNetLT, "ImageNet_LT_train.txt", "train", "train/n01440764/n01440764_190.JPEG", 999),
    (ImageNetLT, "ImageNet_LT_test.txt", "test", "val/n01440764/ILSVRC2012_val_00000293.JPEG", 0),
    (PlacesLT, "Places_LT_train.txt", "train", "data_256/a/airfield/00001448.jpg", 364),
    (PlacesLT, "Places_LT_test.txt", "test", "val_256/Places365_val_00000435.jpg", 1),
    (INaturalist2018, "iNaturalist18_train.txt", "train", "train_val2018/Plantae/7477/3b60c948.jpg", 8141),
    (INaturalist2018, "iNaturalist18_val.txt", "test", "train_val2018/Aves/2761/b1c6a8f2.jpg", 2),
]
every_list = pytest.mark.parametrize(("source", "file", "split", "image", "label"), PUBLISHED)


@every_list
def test_a_list_is_read_as_published(
    tmp_path: Path, source: type[PublishedList], file: str, split: str, image: str, label: int
) -> None:
    folder = tmp_path / source.folder
    write_image(folder / image, 200)
    (folder / file).write_text(f"{image} {label}\n{image} 0\n")
    images = source().load(tmp_path, split)
    assert images.num_classes == source.num_classes
    assert images.targets.tolist() == [label, 0]
    assert images.paths.tolist() == [image, image]
    decoded = images.decode(np.array([0]))
    assert decoded.shape == (1, 224, 224, 3)
    assert abs(decoded[0, 0, 0].astype(int) - [200, 55, 7]).max() <= 3


@every_list
def test_images_may_be_anywhere(
    tmp_path: Path, source: type[PublishedList], file: str, split: str, image: str, label: int
) -> None:
    (tmp_path / source.folder).mkdir()
    (tmp_path / source.folder / file).write_text(f"{image} {label}\n")
    write_image(tmp_path / "elsewhere" / image, 200)
    source(images=tmp_path / "elsewhere").load(tmp_path, split)
    with pytest.raises(
        InputError, match=one_line("no image", tmp_path / source.folder / image, "line 1", "set images")
    ):
        source().load(tmp_path, split)


@pytest.mark.parametrize("label", ["1000", "-1", "cat"])
def test_a_label_outside_the_data_set_is_named_with_its_line(tmp_path: Path, label: str) -> None:
    path = tmp_path / "imagenet-lt/ImageNet_LT_train.txt"
    path.parent.mkdir()
    path.write_text(f"a.JPEG 0\n\nb.JPEG {label}\n")
    with pytest.raises(InputError, match=one_line(path, f"label {label} in line 3; labels are numbers from 0 to 999")):
        ImageNetLT().load(tmp_path, "train")


@pytest.mark.parametrize("source", [ImageNetLT, PlacesLT, INaturalist2018])
def test_a_missing_list_comes_with_its_address(tmp_path: Path, source: type[PublishedList]) -> None:
    path = tmp_path / source.folder / source.lists["test"]
    with pytest.raises(InputError, match=one_line(source.lists["test"], "https://github.com", path)):
        source().load(tmp_path, "test")
