"""Label-aware smoothing: the more frequent a class, the more its labels are smoothed."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.counts import CountsLike
from tailwise.hyperparameters import in_range, one_of
from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss, SharedOptions, double_precision
from tailwise.losses._fused import Other, RowFormula, Term
from tailwise.losses._registry import register_loss

SmoothingShape = Literal["concave", "linear", "convex", "exp"]


@register_loss(
    "label_aware_smoothing",
    "las",
    paper="Zhong et al., Improving Calibration for Long-Tailed Recognition (MiSLAS), CVPR 2021",
    adjust_at_test="logit adjustment",
)
class LabelAwareSmoothingLoss(ClassificationLoss):
    """Cross entropy with a label smoothing of each class's own, from ``smooth_tail`` to ``smooth_head``.

        L = -(1 - eps_y) * log p_y - eps_y / C * sum_j log p_j,   p = softmax(z)
        r = (n_y - n_min) / (n_max - n_min)                 (0 for all classes when counts are equal)
        eps_y = tail + (head - tail) * sin(pi/2 * r)            shape "concave"
              = tail + (head - tail) * r                        shape "linear"
              = tail + (head - tail) * (1 - cos(pi/2 * r))      shape "convex"
              = tail + (head - tail) * r^power                  shape "exp"

    Args:
        class_counts: (C,) training counts n_c.
        smooth_head: smoothing of the most frequent class, from 0 to 1.
        smooth_tail: smoothing of the rarest class, from 0 to 1.
        shape: "concave", "linear", "convex" or "exp".
        power: exponent of the shape "exp", positive; for no other.
        **options: see ``SharedOptions``.

    Raises:
        ValueError: an argument is out of its range, the shape is unknown, or ``power`` does not go with it.

    Source: Zhong, Cui, Liu, Jia, "Improving Calibration for Long-Tailed Recognition", CVPR 2021.
    """

    option_names = SHARED_OPTION_NAMES
    class_smoothing: Tensor

    def __init__(
        self,
        class_counts: CountsLike,
        smooth_head: float = 0.3,
        smooth_tail: float = 0.0,
        shape: SmoothingShape = "concave",
        power: float | None = None,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        self.smooth_head = in_range("smooth_head", smooth_head, at_least=0, at_most=1)
        self.smooth_tail = in_range("smooth_tail", smooth_tail, at_least=0, at_most=1)
        one_of("shape", shape, get_args(SmoothingShape))
        if (power is None) == (shape == "exp"):
            raise ValueError(f'power must be given for shape "exp" and left out for others, got {power} for {shape!r}')
        self.shape = shape
        self.power = None if power is None else in_range("power", power, above=0)
        self.derive()

    def derive(self) -> None:
        """eps_c."""
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        rank = (counts - counts.min()) / (counts.max() - counts.min()).clamp_min(1)
        if self.shape == "concave":
            rank = (rank * (math.pi / 2)).sin()
        elif self.shape == "convex":
            rank = 1 - (rank * (math.pi / 2)).cos()
        elif self.power is not None:
            rank = rank**self.power
        self.class_smoothing = self.smooth_tail + (self.smooth_head - self.smooth_tail) * rank

    def smoothing(self, label: Tensor, dtype: torch.dtype) -> Tensor:
        """eps_y."""
        return self.class_smoothing.to(label.device, dtype)[label]

    def row_formula(self) -> RowFormula:
        """See ``ClassificationLoss``."""
        smoothing = self.class_smoothing
        return RowFormula(Term.CROSS_ENTROPY, other=Other.LINEAR, smoothing=smoothing)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p."""
        return -log_p
