"""The cropped digits of SVHN, in small files of its format."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from PIL import Image

from data.sources.messages import one_line
from tailwise.data.sources.svhn import SVHN
from tailwise.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([1, 10, 9, 2, 10, 3, 4, 5, 6, 7, 8, 1], np.uint8)
X, Y = IMAGES.transpose(1, 2, 3, 0), LABELS[:, None]


def written(root: Path, split: str = "train", folder: str = "svhn", **variables: Any) -> Path:
    path = root / folder / f"{split}_32x32.mat"
    path.parent.mkdir(exist_ok=True)
    scipy.io.savemat(path, variables, do_compression=True)
    return path


@pytest.mark.parametrize("folder", ["svhn", "SVHN"])
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_images_come_first_and_ten_is_the_digit_zero(tmp_path: Path, kind: type, folder: str) -> None:
    written(tmp_path, "test", folder, X=X, y=Y.astype(kind))
    loaded = SVHN().load(tmp_path, "test")
    assert np.array_equal(loaded.inputs, IMAGES)
    assert loaded.targets.tolist() == [1, 0, 9, 2, 0, 3, 4, 5, 6, 7, 8, 1]
    assert loaded.class_names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


def test_parquet_of_the_hub_labels_digits_by_themselves(tmp_path: Path) -> None:
    def png(image: Any) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, "PNG")
        return file.getvalue()

    (tmp_path / "svhn").mkdir()
    table = pa.table({"image": [{"bytes": png(image), "path": None} for image in IMAGES], "label": LABELS % 10})
    pq.write_table(table, tmp_path / "svhn/train-00000-of-00001.parquet")
    loaded = SVHN().load(tmp_path, "train")
    assert np.array_equal(loaded.inputs, IMAGES)
    assert loaded.targets.tolist() == (LABELS % 10).tolist()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": X}, "must hold y of numbers (N, 1), got nothing"),
        ({"y": Y}, "must hold X of uint8 (32, 32, 3, N), got nothing"),
        ({"X": X.astype(float), "y": Y}, "got double of shape (32, 32, 3, 12)"),
        ({"X": X[:16], "y": Y}, "got uint8 of shape (16, 32, 3, 12)"),
        ({"X": np.array([{"a": 1}], dtype=object), "y": Y}, "got cell of shape"),
        ({"X": X, "y": {"a": 1}}, "must hold y of numbers (N, 1), got struct"),
        ({"X": X, "y": Y[1:]}, "equally many, got 12 and 11"),
        ({"X": X, "y": np.where(Y == 10, 0, Y)}, "has label 0 in row 1; labels are 1 to 9, and 10 for the digit 0"),
        ({"X": X, "y": Y / 2}, "has label 0.5 in row 0"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    path = written(tmp_path, **variables)
    with pytest.raises(InputError, match=one_line(path, message)):
        SVHN().load(tmp_path, "train")


@pytest.mark.parametrize("content", [b"", b"x" * 300, b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"x" * 300])
def test_what_is_no_matlab_5_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, X=X, y=Y)
    path.write_bytes(content)
    with pytest.raises(InputError, match=one_line(path, "not a readable MATLAB 5 file")):
        SVHN().load(tmp_path, "train")


@pytest.mark.parametrize("kept", [130, 1000, -1])
def test_a_truncated_file_is_named(tmp_path: Path, kept: int) -> None:
    path = written(tmp_path, X=X, y=Y)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=one_line(path, "fetch")):
        SVHN().load(tmp_path, "train")
