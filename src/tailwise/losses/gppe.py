"""GPPE: majority classes get a penalised and shifted cross entropy, minority classes a plain one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from tailwise.conversion import as_array
from tailwise.counts import CountsLike
from tailwise.hyperparameters import flag, in_range
from tailwise.losses._base import ClassificationLoss, LossOptions
from tailwise.losses._fused import RowFormula, Term
from tailwise.losses._gradient_penalty import penalised_cross_entropy
from tailwise.losses._registry import register_loss


@register_loss(
    "gppe",
    paper="Zhou, Ran, Tan, Xie, GPPE, Complex & Intelligent Systems 2023",
)
class GPPELoss(ClassificationLoss):
    """Gradient penalty with a power-exponential factor.

        y in minority:  L = -log p_y
        y in majority:  L = -(1 - p_y)^(alpha*(1 - p_y) + beta) * log(min(p_y + m, 1))
        p = softmax(z)

    The published code differs in two ways. It clamps p_y at 1e-8, which stops the gradient of the samples that are
    most wrong; here the logarithm is taken of the softmax itself, so their gradient stays. And with beta = 0 its
    two-class form drops the factor, where the formula gives (1 - p_y)^(alpha*(1 - p_y)); alpha = beta = 0 does that.

    Args:
        majority_classes: indices of the majority classes. By default those of ``class_counts`` that hold more than the
            mean count N / C: the larger of two classes, the upper step of a stepped profile.
        class_counts: (C,) training counts; needed where ``majority_classes`` is not given.
        alpha: slope of the exponent in 1 - p_y.
        beta: offset of the exponent.
        margin: m, shift of the probability, 0 <= m < 1.
        detach_weight: treat the factor before the logarithm as a constant, as the published two-class code does; its
            multi-class code lets the gradient through.
        **options: see ``LossOptions``.

    Raises:
        ValueError: neither ``majority_classes`` nor ``class_counts`` is given, a majority class is not a whole number,
            negative, repeated or not below C, alpha or beta is not finite, or the margin is out of range.

    Source: Zhou, Ran, Tan, Xie, the asymmetric gradient penalty with a power-exponential factor (GPPE), Complex &
    Intelligent Systems, 2023.
    """

    majority: Tensor

    def __init__(
        self,
        majority_classes: Sequence[int] | Tensor | None = None,
        class_counts: CountsLike | None = None,
        alpha: float = -2.0,
        beta: float = 6.0,
        margin: float = 0.05,
        detach_weight: bool = False,
        **options: Unpack[LossOptions],
    ) -> None:
        super().__init__(class_counts, **options)
        if majority_classes is None and self.class_counts is None:
            raise ValueError("GPPELoss must know which classes are the majority: give majority_classes or class_counts")
        self.majority_classes = None if majority_classes is None else _class_indices(majority_classes)
        self.alpha = in_range("alpha", alpha)
        self.beta = in_range("beta", beta)
        self.margin = in_range("margin", margin, at_least=0, below=1)
        self.detach_weight = flag("detach_weight", detach_weight)
        self.majority = torch.zeros(0, dtype=torch.bool)
        self.derive()

    def derive(self) -> None:
        """The classes above the mean count, unless they were named."""
        if self.majority_classes is None:
            assert self.class_counts is not None
            # Above the mean rounded down is above the mean, and the sum times C might overflow.
            self.majority = self.class_counts > self.class_counts.sum() // len(self.class_counts)
        elif self.class_counts is not None:
            self.match_classes(len(self.class_counts), self.class_counts.device)

    def match_classes(self, num_classes: int, device: torch.device) -> None:
        """Mark the named majority classes among ``num_classes``."""
        super().match_classes(num_classes, device)
        if self.majority_classes is None:
            return
        largest = max(self.majority_classes, default=0)
        if largest >= num_classes:
            raise ValueError(f"majority class {largest} is out of range for {num_classes} classes; indices start at 0")
        if len(self.majority) != num_classes or self.majority.device != device:
            self.majority = torch.zeros(num_classes, dtype=torch.bool, device=device)
            self.majority[self.majority_classes] = True

    def row_formula(self) -> RowFormula | None:
        """See ``ClassificationLoss``."""
        if self.label_smoothing > 0:
            return None
        strength = self.majority
        return RowFormula(Term.PENALTY, self.alpha, self.beta, self.margin, self.detach_weight, strength)

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """The penalised cross entropy in the majority, -log p_y in the minority."""
        strength = self.majority.to(log_p)[label]
        return penalised_cross_entropy(log_p, strength, self.alpha, self.beta, self.margin, self.detach_weight)


def _class_indices(majority_classes: Iterable[int] | Tensor) -> list[int]:
    given = as_array(majority_classes if isinstance(majority_classes, Tensor) else list(majority_classes))
    # A mask or a string would pass for indices where only int() is asked.
    usable = given.ndim == 1 and (given.dtype.kind in "iu" or given.size == 0)
    if not usable or (given < 0).any() or len(np.unique(given)) < len(given):
        raise ValueError(f"majority_classes must be different indices from 0 up, got {majority_classes!r}")
    return [int(index) for index in given]
