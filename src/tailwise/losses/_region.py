"""Losses of a whole batch: the overlap, class by class, of what is predicted with what is true."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import Unpack

from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss, SharedOptions
from tailwise.losses._checks import one_hot, require_mean
from tailwise.losses._fused import RegionFormula, RowFormula, Term


class Overlap(NamedTuple):
    """Sums over a batch, (C,) each.

    true_positive: TP_c = sum_i q_ic * p_ic, q the target distribution.
    predicted: sum_i p_ic = TP_c + FP_c.
    actual: sum_i q_ic = TP_c + FN_c.
    """

    true_positive: Tensor
    predicted: Tensor
    actual: Tensor


class RegionLoss(ClassificationLoss):
    """The mean over the classes of a term of their ``Overlap``, to which a mean over the samples may be added.

    Such a loss is one number for a batch and no mean of losses of samples, so ``reduction`` is "mean" alone; its
    gradient depends on which samples meet in a batch, and on how many. A class that is missing from the batch counts
    too: its term is that of a class with no true positives. ``weight`` weights the mean over the classes, and the mean
    over the samples as usual.

    Raises:
        ValueError: another ``reduction``, or what ``ClassificationLoss`` raises.
    """

    option_names = SHARED_OPTION_NAMES
    sums_samples = False

    def __init__(self, **options: Unpack[SharedOptions]) -> None:
        super().__init__(**options)
        require_mean(self)

    @abstractmethod
    def class_term(self, overlap: Overlap) -> Tensor:
        """(C,) loss of each class."""

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """What each sample adds; by default nothing."""
        return torch.zeros_like(log_p)

    def score(self, log_prob: Tensor) -> Tensor:
        """What is summed as p; by default the probability itself."""
        return log_prob.exp()

    def row_formula(self) -> RowFormula | None:
        """The term of the samples; see ``ClassificationLoss``. By default there is none."""
        return RowFormula(Term.NONE)

    @abstractmethod
    def region_formula(self) -> RegionFormula:
        """The score and the term of the classes in numbers, likewise."""

    def _reduced(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        over_samples = super()._reduced(logits, target, weight)
        score = self.score(F.log_softmax(logits, dim=1))
        if not target.is_floating_point():
            # Masking the score as well takes an ignored sample out of ``predicted``.
            valid = target != self.ignore_index
            score = score * valid.unsqueeze(1)
            target = one_hot(target, logits.shape[1], valid).to(score.dtype)
        per_class = self.class_term(Overlap((score * target).sum(dim=0), score.sum(dim=0), target.sum(dim=0)))
        if weight is None:
            over_classes = per_class.mean()
        else:
            over_classes = (weight * per_class).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
        return over_samples + over_classes * (target.sum() > 0)


def dice_coefficient(overlap: Overlap, smooth: float) -> Tensor:
    """(C,) (2*TP + smooth) / (2*TP + FP + FN + smooth)."""
    return (2 * overlap.true_positive + smooth) / (overlap.predicted + overlap.actual + smooth)


def focal_tversky(overlap: Overlap, delta: float, gamma: float, smooth: float) -> Tensor:
    """(C,) (1 - TI)^gamma, TI = (TP + smooth) / (TP + delta*FN + (1 - delta)*FP + smooth)."""
    hit = overlap.true_positive + smooth
    missed = delta * (overlap.actual - overlap.true_positive)
    false_alarm = (1 - delta) * (overlap.predicted - overlap.true_positive)
    # 1 - TI written without a difference of near numbers, and kept from 0, where a power below 1 has no slope.
    distance = (missed + false_alarm) / (hit + missed + false_alarm)
    tiny: float = torch.finfo(distance.dtype).eps
    return distance.clamp_min(tiny) ** gamma
