"""The digits of scikit-learn."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from tailwise.data.sources.digits import Digits


def test_both_splits_together_are_all_digits_with_their_pixels() -> None:
    expected = load_digits()
    loaded = [Digits().load(None, split) for split in ("train", "test")]
    images = np.concatenate([part.inputs for part in loaded]).reshape(-1, 64)
    targets = np.concatenate([part.targets for part in loaded])

    def rows(pixels: np.ndarray, labels: np.ndarray) -> list[tuple[float, ...]]:
        return sorted(map(tuple, np.column_stack([pixels, labels]).tolist()))

    assert rows(np.rint(images / 255 * 16), targets) == rows(expected.data, expected.target)


def test_a_test_split_has_three_tenths_of_each_class() -> None:
    train, test = (Digits().load(None, split) for split in ("train", "test"))
    share = test.counts.counts / (train.counts.counts + test.counts.counts)
    assert abs(share - 0.3).max() < 0.5 / 174  # the rarest digit occurs 174 times
    assert test.class_names == tuple("0123456789")


def test_images_span_all_of_0_to_255() -> None:
    images = Digits().load(None, "train").inputs
    assert images.shape[1:] == (8, 8, 1)
    assert sorted(set(images.ravel())) == [round(value * 255 / 16) for value in range(17)]
