"""Class-wise calibration: whether a probability of c is how often c is true, for the rare classes as for the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tailwise.hyperparameters import whole_number
from tailwise.losses._base import double_precision
from tailwise.metrics._base import ScoreMetric

UNIT = 2.0**-32
"""Of the sums of probabilities."""


class ClasswiseCalibrationError(ScoreMetric):
    """Mean over the classes of the calibration error of each class's probability (classwise ECE, static CE).

        error_c = (1 / N) * sum_b | hits_cb - sum of p_c over the samples of bin b |

    Bin b of class c holds the samples, of whatever class, whose p_c lies in [b / K, (b + 1) / K), the last one those of
    p_c = 1 too; hits_cb of them are of class c. Each term is the gap between mean probability and frequency in the bin,
    weighted by its share of the N samples. The usual calibration error looks at the predicted class alone, which is
    seldom a rare one.

    A class without a sample in the data is left out of the mean; the papers, which have none, average over all C. The
    probabilities are added up as multiples of 2^-32.

    Args:
        num_classes: C.
        bins: K, of equal widths.
        per_class: the errors (C,) in place of their mean, NaN where a class has no sample.
        from_logits: whether ``preds`` are logits; False where they are probabilities.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes, or no bin.

    Source: Nixon et al., "Measuring Calibration in Deep Learning", CVPR Workshops 2019 (static calibration error);
    Kull et al., "Beyond temperature scaling", NeurIPS 2019 (classwise-ECE).
    """

    higher_is_better = False

    gaps: Tensor
    samples: Tensor

    def __init__(
        self, num_classes: int, bins: int = 15, per_class: bool = False, from_logits: bool = True, **options: Any
    ) -> None:
        super().__init__(num_classes, per_class, from_logits, **options)
        self.bins = whole_number("bins", bins, at_least=1)
        self.add_counts("gaps", self.num_classes, self.bins)
        self.add_counts("samples", self.num_classes)

    def count(self, scores: Tensor, labels: Tensor) -> None:
        """See ``ScoreMetric``: the gap of a bin is the sum of 1 - p_c over its hits and of -p_c over its others."""
        exact = double_precision(scores)
        probabilities = exact.softmax(dim=1) if self.from_logits else exact
        within = (probabilities * self.bins).clamp(0, self.bins - 1).long()
        cells = within + self.bins * torch.arange(self.num_classes, device=within.device)
        gaps = -(probabilities / UNIT).round().long()
        gaps.scatter_add_(1, labels.unsqueeze(1), torch.full_like(labels, int(1 / UNIT)).unsqueeze(1))
        self.gaps.view(-1).index_add_(0, cells.view(-1), gaps.view(-1))
        self.samples += labels.bincount(minlength=self.num_classes)

    def class_values(self) -> Tensor:
        """See ``ScoreMetric``."""
        errors = UNIT * self.gaps.abs().sum(dim=1) / self.samples.sum()
        return errors.masked_fill(self.samples == 0, torch.nan)
