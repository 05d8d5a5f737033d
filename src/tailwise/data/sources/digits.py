"""The 8 x 8 digits that come with scikit-learn: no file needed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from sklearn.datasets import load_digits

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, split_rows

_BRIGHTEST = 16


class Digits(SourceModel):
    """1 797 handwritten digits, (N, 8, 8, 1); a fixed stratified split with 30% of each class for testing, seed 0."""

    summary: ClassVar = "handwritten digits of scikit-learn, 1 797 grey images of 8 x 8 pixels, 10 classes"
    layout: ClassVar = "nothing: comes with scikit-learn"

    name: Literal["digits"] = "digits"

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split; the values 0 .. 16 are spread over 0 .. 255."""
        digits = load_digits()
        images = np.rint(digits.images * (255 / _BRIGHTEST)).astype(np.uint8)[..., None]
        targets = digits.target.astype(np.int64)
        everything = Arrays(images, targets, tuple(str(digit) for digit in range(10)))
        return everything.subset(split_rows(targets, split, test_fraction=0.3, seed=0))
