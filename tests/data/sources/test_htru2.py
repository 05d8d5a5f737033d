"""The pulsar candidates of HTRU2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.sources.messages import one_line
from tailwise.data.sources.base import Split
from tailwise.data.sources.htru2 import HTRU2
from tailwise.errors import InputError


def written(root: Path, content: str) -> Path:
    path = root / "htru2" / "HTRU_2.csv"
    path.parent.mkdir()
    path.write_text(content)
    return path


def test_both_splits_together_are_all_candidates(data_root: Path) -> None:
    train, test = (HTRU2().load(data_root, split) for split in ("train", "test"))
    table = np.loadtxt(data_root / "htru2" / "HTRU_2.csv", delimiter=",", skiprows=1)
    assert list(train.counts.counts + test.counts.counts) == [16_259, 1_639]
    assert train.class_names == ("noise", "pulsar")
    loaded = np.concatenate([np.column_stack([part.inputs, part.targets]) for part in (train, test)])
    expected = table.astype(np.float32)
    assert np.array_equal(loaded[np.lexsort(loaded.T)], expected[np.lexsort(expected.T)])


def test_three_tenths_of_each_class_are_for_testing(data_root: Path) -> None:
    assert list(HTRU2().load(data_root, "test").counts) == [round(0.3 * 16_259), round(0.3 * 1_639)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_original_file_without_a_header_reads_alike(data_root: Path, tmp_path: Path, split: Split) -> None:
    written(tmp_path, (data_root / "htru2" / "HTRU_2.csv").read_text().partition("\n")[2])
    original, headed = HTRU2().load(tmp_path, split), HTRU2().load(data_root, split)
    assert np.array_equal(original.inputs, headed.inputs)
    assert np.array_equal(original.targets, headed.targets)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3,4,5,6,7,8,2\n", "classes 0 and 1 in its last column"),
        ("1,2,3,4,5,6,7,0\n", "Expected 9 columns, got 8"),
        ("1,2,3,4,x,6,7,8,0\n", "'x' in column 'mean-dmsnr', row 0"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(InputError, match=one_line(path, message)):
        HTRU2().load(tmp_path, "train")


def test_a_missing_file_comes_with_its_address(tmp_path: Path) -> None:
    path = tmp_path / "htru2" / "HTRU_2.csv"
    with pytest.raises(InputError, match=one_line("archive.ics.uci.edu/dataset/372", path)):
        HTRU2().load(tmp_path, "train")
