"""What this project has measured, for advice to rest on: figures of docs/results.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["images", "table"]
"""Of samples; images too small for convolutions count as a table of their pixels."""
LEAST_SIDE = 12
"""Pixels from which on images are taken as images."""


@dataclass(frozen=True)
class Figure:
    """Percent: mean and sample standard deviation over the seeds."""

    mean: float
    std: float


@dataclass(frozen=True)
class Study:
    """One table of the results page.

    Args:
        section: its heading there.
        table: recipe whose runs it shows, or the line above it; empty where the section has one table.
        about: the data, in words.
        kind: of the samples.
        num_classes: C.
        imbalance_factor: largest by smallest class of the training set.
        num_train: training samples.
        model: network and epochs, in words.
        metric: column, as in ``summary.json``.
        figures: of each method in that column.
    """

    section: str
    table: str
    about: str
    kind: Kind
    num_classes: int
    imbalance_factor: float
    num_train: int
    model: str
    metric: str
    figures: dict[str, Figure]

    def gain(self, method: str) -> float:
        """Points above cross entropy."""
        return self.figures[method].mean - self.figures["ce"].mean


FIELD = "MNIST and CIFAR-10, long-tailed: the field's methods"
STUDIES = (
    Study(
        FIELD,
        "`short/mnist-lt-if100`",
        "MNIST, ten digits",
        "images",
        *(10, 100, 12406, "LeNet, 20 epochs", "balanced_accuracy"),
        {
            "ce": Figure(94.46, 0.23),
            "balanced_softmax": Figure(96.47, 0.19),
            "gala": Figure(95.48, 0.27),
            "gppe": Figure(95.22, 0.43),
            "sgpl": Figure(96.16, 0.14),
            "lade": Figure(96.65, 0.13),
            "focal": Figure(94.37, 0.26),
            "ce+balanced-sampling": Figure(95.18, 0.39),
            "cri+ppl": Figure(96.43, 0.10),
            "bcl": Figure(97.29, 0.13),
        },
    ),
    Study(
        FIELD,
        "`short/cifar10-lt-if100-lenet`",
        "CIFAR-10, ten kinds of photographs",
        "images",
        *(10, 100, 12406, "LeNet, 20 epochs", "balanced_accuracy"),
        {
            "ce": Figure(32.34, 1.21),
            "balanced_softmax": Figure(47.96, 1.54),
            "gala": Figure(42.81, 0.71),
            "gppe": Figure(35.68, 1.33),
            "sgpl": Figure(33.65, 1.25),
            "lade": Figure(47.62, 0.94),
            "focal": Figure(34.46, 1.81),
            "ce+balanced-sampling": Figure(50.69, 0.09),
            "cri+ppl": Figure(49.23, 2.26),
            "bcl": Figure(48.89, 1.00),
        },
    ),
    Study(
        "MNIST 3 against 5, 50 threes and 1000 fives",
        "`gppe/mnist-3v5-50-1000`",
        "MNIST, threes against fives",
        "images",
        *(2, 20, 1050, "LeNet, 100 epochs", "f1"),
        {
            "ce": Figure(92.44, 1.03),
            "focal": Figure(92.86, 0.87),
            "gppe": Figure(97.75, 0.29),
        },
    ),
    Study(
        "HTRU2 pulsar candidates",
        "",
        "HTRU2, pulsars against noise",
        "table",
        *(2, 10, 12528, "MLP, 50 epochs", "f1"),
        {
            "ce": Figure(89.11, 0.31),
            "balanced_softmax": Figure(82.26, 0.35),
            "gppe": Figure(89.16, 0.21),
            "focal": Figure(89.39, 0.23),
        },
    ),
    Study(
        "Digits, long-tailed",
        "",
        "scikit-learn's digits, 64 numbers each",
        "table",
        *(10, 20, 405, "MLP, 60 epochs", "balanced_accuracy"),
        {
            "ce": Figure(88.77, 0.75),
            "balanced_softmax": Figure(90.46, 1.31),
            "gppe": Figure(88.61, 0.18),
            "sgpl": Figure(92.12, 0.20),
            "focal": Figure(89.15, 0.47),
        },
    ),
)
