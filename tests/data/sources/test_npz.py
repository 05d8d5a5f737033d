"""NumPy archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.sources.messages import one_line
from tailwise.data.sources.npz import Npz
from tailwise.errors import InputError

FEATURES = np.arange(20, dtype=np.float64).reshape(10, 2)
LABELS = np.repeat([3, 7], 5)


def written(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_features_become_float32_and_stay_with_their_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", inputs=FEATURES, targets=LABELS)
    for split, counts in (("train", [3, 3]), ("test", [2, 2])):
        part = Npz(train=path, test_fraction=0.4).load(None, split)
        assert list(part.counts) == counts
        assert part.inputs.dtype == np.float32
        assert (part.targets == (part.inputs[:, 0] >= 10)).all()


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1), (2, 4, 5, 3)])
def test_images_with_and_without_channels_are_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = written(tmp_path / "a.npz", x=images, y=np.array([0, 1]))
    loaded = Npz(train=path, test=path, inputs="x", targets="y").load(None, "train")
    assert np.array_equal(loaded.inputs, images.reshape(2, 4, 5, -1))


@pytest.mark.parametrize(
    ("labels", "names", "targets"),
    [
        ([0, 1, 2, 1], ("0", "1", "2"), [0, 1, 2, 1]),
        ([10, 9, 100, 9], ("9", "10", "100"), [1, 0, 2, 0]),
        ([-1, 1, 1, -1], ("-1", "1"), [0, 1, 1, 0]),
        (["owl", "cat", "cat", "dog"], ("cat", "dog", "owl"), [2, 0, 0, 1]),
    ],
)
def test_labels_are_numbered_in_sorted_order(
    tmp_path: Path, labels: list[Any], names: tuple[str, ...], targets: list[int]
) -> None:
    path = written(tmp_path / "a.npz", inputs=FEATURES[:4], targets=np.array(labels))
    loaded = Npz(train=path, test=path).load(None, "train")
    assert loaded.class_names == names
    assert loaded.targets.tolist() == targets


def test_the_test_file_is_labelled_as_the_training_file(tmp_path: Path) -> None:
    train = written(tmp_path / "a.npz", inputs=FEATURES, targets=LABELS)
    test = written(tmp_path / "b.npz", inputs=FEATURES[:2], targets=np.array([7, 7]))
    loaded = Npz(train=train, test=test).load(None, "test")
    assert loaded.class_names == ("3", "7")
    assert loaded.targets.tolist() == [1, 1]


def test_a_label_only_the_test_file_has_is_refused(tmp_path: Path) -> None:
    train = written(tmp_path / "a.npz", inputs=FEATURES, targets=LABELS)
    test = written(tmp_path / "b.npz", inputs=FEATURES[:3], targets=np.array([7, 5, 3]))
    with pytest.raises(InputError, match=one_line(test, "label 5 in row 1", "use one of theirs (3, 7)")):
        Npz(train=train, test=test).load(None, "test")


BROKEN = FEATURES.copy()
BROKEN[8, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"inputs": FEATURES}, "no array 'targets'; it has inputs"),
        ({"inputs": FEATURES, "targets": LABELS[:9]}, "equally long, got shapes (10, 2) and (9,)"),
        ({"inputs": FEATURES, "targets": LABELS[:, None]}, "labels (N,), got int64 of shape (10, 1)"),
        ({"inputs": FEATURES, "targets": LABELS / 2}, "labels (N,), got float64"),
        ({"inputs": BROKEN, "targets": LABELS}, "finite float32 features, got nan in row 8, column 1"),
        ({"inputs": FEATURES * 1e38, "targets": LABELS}, "got inf in row 2, column 0"),
        ({"inputs": FEATURES.reshape(10, 1, 2), "targets": LABELS}, "uint8 images (N, H, W, channels)"),
        ({"inputs": FEATURES, "targets": np.array([{}] * 10)}, "without Python objects"),
        ({"inputs": FEATURES[:0], "targets": LABELS[:0]}, "holds no samples"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = written(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=one_line(path, message)):
        Npz(train=path).load(None, "train")


@pytest.mark.parametrize("kept", [0, 40, 400])
def test_a_damaged_archive_is_named(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path / "a.npz", inputs=FEATURES, targets=LABELS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=one_line(path, "not a readable .npz file", "numpy.savez")):
        Npz(train=path).load(None, "train")


def test_an_archive_with_flipped_bytes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", inputs=FEATURES, targets=LABELS)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(40) + content[100:])
    with pytest.raises(InputError, match=one_line(path, "not a readable .npz file")):
        Npz(train=path).load(None, "train")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FEATURES)
    with pytest.raises(InputError, match=one_line(tmp_path / "a.npy", "not a readable .npz file")):
        Npz(train=tmp_path / "a.npy").load(None, "train")
