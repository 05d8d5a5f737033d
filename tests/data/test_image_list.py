"""Lists of image files: what is decoded, which part of it, and how a broken file is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data.image_files import write_image, write_noise
from data.sources.messages import one_line
from tailwise.data.image_list import Framing, ImageList
from tailwise.errors import InputError

NAMES = ("cat", "dog", "owl")
SMALL = Framing(image_size=8, resize=10)


def listed(folder: Path, *targets: int, framing: Framing = SMALL) -> ImageList:
    """Images whose red is ten times their row."""
    paths = [write_image(folder / f"{row}.png", 10 * row).name for row in range(len(targets))]
    return ImageList(np.array(paths), np.array(targets), NAMES, framing, folder)


def reds(images: np.ndarray) -> list[int]:
    assert (images[..., 0] == images[:, :1, :1, 0]).all()
    return images[:, 0, 0, 0].tolist()


def test_images_are_decoded_for_the_rows_asked_for_in_their_order(tmp_path: Path) -> None:
    images = listed(tmp_path, 0, 1, 2, 0)
    assert reds(images.decode(np.array([3, 0, 1, 1]))) == [30, 0, 10, 10]
    assert images.decode(np.array([2])).shape == (1, 8, 8, 3)


def test_subsets_and_classes_are_chosen_as_of_data_in_memory(tmp_path: Path) -> None:
    images = listed(tmp_path, 0, 1, 2, 0, 2)
    assert list(images.counts) == [2, 1, 2]
    chosen = images.subset([4, 1]).only_classes([2, 1])
    assert (chosen.targets.tolist(), chosen.class_names) == ([0, 1], ("owl", "dog"))
    assert reds(chosen.decode(np.arange(2))) == [40, 10]
    assert reds(images.only_classes([2, 0]).decode(np.arange(4))) == [0, 20, 30, 40]


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (37, 91)])
def test_the_centre_is_what_resizing_and_cropping_would_leave(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_noise(tmp_path / "a.png", 0, size)
    shorter = min(size)
    framing = Framing(image_size=shorter - 13, resize=shorter)
    decoded = ImageList(np.array([str(path)]), np.array([0]), NAMES, framing).decode(np.array([0]))[0]
    with Image.open(path) as image:
        left, upper = (size[0] - shorter + 13) / 2, (size[1] - shorter + 13) / 2
        box = (left, upper, left + shorter - 13, upper + shorter - 13)
        expected = image.resize((shorter - 13, shorter - 13), Image.Resampling.BILINEAR, box=box)
    assert np.array_equal(decoded, np.asarray(expected))


def test_the_shorter_side_becomes_resize_and_the_square_is_cut_from_it(tmp_path: Path) -> None:
    path = write_noise(tmp_path / "a.png", 1, (300, 200))
    decoded = ImageList(np.array([str(path)]), np.array([0]), NAMES, Framing(80, 100)).decode(np.array([0]))[0]
    with Image.open(path) as image:
        resized = image.resize((150, 100), Image.Resampling.BILINEAR)
    expected = np.asarray(resized.crop((35, 10, 115, 90)), dtype=float)
    assert abs(decoded - expected).max() <= 1


def test_random_parts_lie_in_the_image_with_the_areas_and_ratios_of_imagenet_training() -> None:
    framing, generator = Framing(224, 256, "random-resized"), np.random.default_rng(0)
    boxes = np.array([framing.random(generator, 500, 375) for _ in range(2000)])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 500).all()
    assert (boxes[:, 3] <= 375).all()
    area, ratio = across * down / (500 * 375), across / down
    assert area.min() > 0.0799
    assert area.max() > 0.9
    assert ratio.min() == pytest.approx(3 / 4, abs=0.01)
    assert ratio.max() == pytest.approx(4 / 3, abs=0.01)


def test_an_image_too_narrow_for_a_random_part_gives_its_centre() -> None:
    framing = Framing(8, 8, "random-resized")
    assert framing.random(np.random.default_rng(0), 1000, 10) == framing.center(1000, 10) == (495, 0, 505, 10)


def test_training_crops_follow_from_their_entropy_alone(tmp_path: Path) -> None:
    paths = [write_noise(tmp_path / f"{row}.png", row).name for row in range(3)]
    framing = Framing(8, 10, "random-resized")
    images = ImageList(np.array(paths), np.array([0, 1, 2]), NAMES, framing, tmp_path)
    rows = np.array([2, 0, 2])
    first, again, other = (images.decode(rows, entropy) for entropy in ((1, 2, 3), (1, 2, 3), (1, 2, 4)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[2])
    centred = ImageList(np.array(paths), np.array([0, 1, 2]), NAMES, Framing(8, 10), tmp_path)
    assert np.array_equal(images.decode(rows), centred.decode(rows))
    assert np.array_equal(centred.decode(rows, (1, 2, 3)), centred.decode(rows))


def test_identity_follows_paths_and_labels(tmp_path: Path) -> None:
    def identity(images: ImageList) -> list[bytes]:
        return [part.tobytes() for part in images.identity]

    images = listed(tmp_path, 0, 1, 2)
    assert identity(images) == identity(images.subset([0, 1, 2]))
    assert identity(images) != identity(images.subset([0, 2, 1]))
    assert identity(images) != identity(ImageList(images.paths, np.array([0, 1, 1]), NAMES, SMALL, tmp_path))


def test_a_model_is_fitted_on_images_spread_evenly_over_the_list(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", 9)
    rows = 1000
    images = ImageList(np.full(rows, path.name), np.arange(rows) % 3, NAMES, Framing(1, 1), tmp_path)
    assert images.fitting_inputs().shape == (256, 1, 1, 3)
    assert reds(listed(tmp_path, 0, 1, 2).fitting_inputs()) == [0, 10, 20]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paths": np.array([], np.str_)}, "at least one path"),
        ({"paths": np.array(["a.jpg"])}, "equally many, got 1 and 2"),
        ({"targets": np.array([0, 3])}, "0 to 2 for 3 class names, got 3 in row 1"),
        ({"targets": np.array([0.0, 1.0])}, "int64"),
        ({"class_names": ("cat", "cat")}, "'cat' twice"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    fitting: dict[str, Any] = {"paths": ["a.jpg", "b.jpg"], "targets": np.array([0, 2]), "class_names": NAMES}
    ImageList(**fitting)
    with pytest.raises(InputError, match=message):
        ImageList(**fitting | change)


def test_a_missing_or_broken_image_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    lines = {"list_file": Path("all.txt"), "lines": np.array([4, 9])}
    images = ImageList(np.array(["gone.jpg", "broken.jpg"]), np.array([0, 1]), NAMES, SMALL, tmp_path, **lines)
    for row, says in enumerate(("there is no image", "")):
        path = tmp_path / str(images.paths[row])
        place = f"{path} (line {images.lines[row]} of all.txt)"
        with pytest.raises(InputError, match=one_line(says, place)):
            images.decode(np.array([row]))
    with pytest.raises(InputError, match=one_line(tmp_path / "broken.jpg", "line 9 of all.txt", "not a readable")):
        images.subset([1]).decode(np.array([0]))
    with pytest.raises(InputError, match=one_line("no image", tmp_path / "gone.jpg", "set images to the folder")):
        images.check_files()
    images.subset([1]).check_files()
