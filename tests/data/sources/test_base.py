"""The split of data that come without one, and where files are looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.sources.messages import one_line
from tailwise.data.sources.base import expected_at, find_under, locate, split_rows
from tailwise.data.sources.npz import Npz
from tailwise.errors import InputError

TARGETS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [100, 10, 2, 1]))


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.99])
def test_every_sample_is_on_one_side_of_the_split(fraction: float) -> None:
    train, test = (split_rows(TARGETS, split, fraction, seed=0) for split in ("train", "test"))
    assert np.sort(np.concatenate([train, test])).tolist() == list(range(len(TARGETS)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()


def test_each_class_gives_its_share_to_the_test_split() -> None:
    rows = split_rows(TARGETS, "test", 0.3, seed=0)
    assert np.bincount(TARGETS[rows], minlength=4).tolist() == [30, 3, 1, 0]


@pytest.mark.parametrize(("fraction", "in_test"), [(0.001, [1, 1, 1, 0]), (0.999, [99, 9, 1, 0])])
def test_two_samples_suffice_for_one_on_each_side(fraction: float, in_test: list[int]) -> None:
    rows = split_rows(TARGETS, "test", fraction, seed=0)
    assert np.bincount(TARGETS[rows], minlength=4).tolist() == in_test


def test_the_split_depends_on_the_seed_alone() -> None:
    first, again, other = (split_rows(TARGETS, "test", 0.5, seed).tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_one_sample_per_class_cannot_be_split() -> None:
    with pytest.raises(InputError, match="one sample per class; give a test file"):
        split_rows(np.arange(3), "test", 0.5, seed=0)


def test_a_relative_path_is_tried_in_the_current_folder_then_under_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, root = tmp_path / "here", tmp_path / "root"
    here.mkdir()
    root.mkdir()
    monkeypatch.chdir(here)
    (root / "a.csv").touch()
    assert locate(Path("a.csv"), root) == root / "a.csv"
    (here / "a.csv").touch()
    assert locate(Path("a.csv"), root).resolve() == here / "a.csv"


def test_a_path_of_the_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").touch()
    assert locate(Path("~/a.csv"), None) == tmp_path / "a.csv"
    assert locate(Path("a.csv"), Path("~")) == tmp_path / "a.csv"
    assert find_under(Path("~"), "b.csv", "a.csv") == tmp_path / "a.csv"


def test_a_missing_path_is_named_everywhere_it_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tried = (tmp_path / "a.csv", tmp_path / "root/a.csv")
    with pytest.raises(InputError, match=one_line(*tried, "--data-root or TAILWISE_DATA")):
        locate(Path("a.csv"), tmp_path / "root")


def test_without_a_data_root_nothing_is_found_and_the_message_says_how_to_name_one() -> None:
    assert find_under(None, "mnist") is None
    assert expected_at(None, "mnist") == "DATA_ROOT/mnist, with --data-root or TAILWISE_DATA naming DATA_ROOT"


def test_negative_labels_are_refused_except_minus_one_against_one(tmp_path: Path) -> None:
    features = np.zeros((6, 2), dtype=np.float32)
    np.savez(tmp_path / "unlabelled.npz", inputs=features, targets=np.array([0, 1, -1, 0, 1, 0]))
    np.savez(tmp_path / "signs.npz", inputs=features, targets=np.array([1, -1, -1, 1, 1, -1]))
    with pytest.raises(InputError, match=r"unlabelled\.npz has label -1 in row 2; labels start at 0"):
        Npz(train=tmp_path / "unlabelled.npz").load(None, "train")
    assert Npz(train=tmp_path / "signs.npz").load(None, "train").class_names == ("-1", "1")
