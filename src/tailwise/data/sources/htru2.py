"""HTRU2: pulsar candidates."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from tailwise.data.arrays import Arrays
from tailwise.data.sources.base import SourceModel, Split, arrays, expected_at, find_under, split_rows
from tailwise.data.sources.csv import has_header, read_csv
from tailwise.errors import InputError

_FILE = "htru2/HTRU_2.csv"
_FEATURES = tuple(
    f"{moment}-{curve}" for curve in ("profile", "dmsnr") for moment in ("mean", "sd", "kurtosis", "skewness")
)
_TARGET = "class"


class HTRU2(SourceModel):
    """17 898 candidates as eight moments (N, 8); a fixed stratified split with 30% of each class for testing, seed 0.

    The features are mean, standard deviation, excess kurtosis and skewness of the integrated pulse profile and of
    the DM-SNR curve.

    Source: Lyon et al., "Fifty Years of Pulsar Candidate Selection", MNRAS 2016; UCI repository, data set 372.
    """

    summary: ClassVar = "pulsar candidates, 16 259 noise and 1 639 pulsars, 8 features"
    layout: ClassVar = "htru2/HTRU_2.csv of https://archive.ics.uci.edu/dataset/372/htru2, with or without a header"

    name: Literal["htru2"] = "htru2"

    def load(self, root: Path | None, split: Split) -> Arrays:
        """Read one split."""
        path = find_under(root, _FILE)
        if path is None:
            raise InputError(
                "htru2 needs HTRU_2.csv from the UCI repository, https://archive.ics.uci.edu/dataset/372/htru2; "
                f"put it at {expected_at(root, _FILE)}"
            )
        table = read_csv(path, _TARGET, column_names=(*_FEATURES, _TARGET), skip_rows=int(has_header(path)))
        if not np.isin(table.labels, (0, 1)).all():
            raise InputError(f"{path} must hold classes 0 and 1 in its last column; fetch it anew")
        targets = table.labels.astype(np.int64)
        rows = split_rows(targets, split, test_fraction=0.3, seed=0)
        return arrays(path, table.inputs(rows), targets[rows], ("noise", "pulsar"))
