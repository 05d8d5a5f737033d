"""Schedules: pure functions of the epoch that say how much each class counts in it."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range, one_of, whole_number
from tailwise.weights import effective_number_weights, inverse_frequency_weights, remix_label_weights

ProgressForm = Literal["power", "logarithmic", "inverse-logarithmic"]


class DeferredReweighting:
    """Equal class weights until ``start``, effective-number weights from then on (DRW).

    Args:
        class_counts: (C,) training counts, all positive.
        start: first epoch, counted from 0, that is weighted.
        beta: of ``effective_number_weights``.

    Raises:
        ValueError: ``start`` is negative, ``beta`` out of range, or a class has no samples.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss", NeurIPS 2019.
    """

    def __init__(self, class_counts: CountsLike, start: int, beta: float = 0.9999) -> None:
        self.start = in_range("start", start, at_least=0)
        self.beta = beta
        self.num_classes = len(ClassCounts(class_counts))
        self.weights = effective_number_weights(class_counts, beta)

    def __call__(self, epoch: int) -> Tensor:
        """(C,) class weights of an epoch; they sum to C."""
        return self.weights.clone() if epoch >= self.start else torch.ones(self.num_classes, dtype=torch.float64)


class PhasedProgress:
    """g, which goes from 0 to 1 between two epochs: the transition that phased progressive learning makes.

        t = clip((e - start) / (end - start), 0, 1)
        g = t^power                            form "power"
        g = log(1 + t*(power - 1)) / log power     form "logarithmic": fast first
        g = 2^t - 1                            form "inverse-logarithmic"

    Args:
        start: E_min, the last epoch, counted from 0, at which g is 0.
        end: E_max, the first epoch at which g is 1; after ``start``.
        power: a; positive, and not 1 for the logarithmic form. The inverse-logarithmic form does not use it.
        form: see above. The published code has the arguments of both logarithms swapped; here they are as meant.

    Raises:
        ValueError: an argument is out of its range.

    Source: Xu et al., "Phased Progressive Learning with Coupling-Regulation-Imbalance Loss for Imbalanced Data
    Classification", arXiv 2205.12117.
    """

    def __init__(self, start: int, end: int, power: float = 5.0, form: ProgressForm = "power") -> None:
        one_of("form", form, get_args(ProgressForm))
        self.start = in_range("start", start, at_least=0)
        self.end = in_range("end", end, above=self.start)
        self.power = in_range("power", power, above=0)
        self.form = form
        if form == "logarithmic" and power == 1:
            raise ValueError("power must be positive, and not 1 as the base of a logarithm, got 1; choose another form")

    def progress(self, epoch: int) -> float:
        """g of an epoch, in [0, 1]."""
        t = min(max((epoch - self.start) / (self.end - self.start), 0.0), 1.0)
        if self.form == "power":
            return float(t**self.power)
        if self.form == "logarithmic":
            return math.log(1 + t * (self.power - 1)) / math.log(self.power)
        return float(2**t - 1)


class PhasedProgressiveWeights(PhasedProgress):
    """Phased progressive re-weighting (PPW): class weights from equal to inverse frequency.

        w_c = C * n_c^(-g) / sum_k n_k^(-g)

    Args:
        class_counts: (C,) training counts n_c, all positive.
        start: E_min.
        end: E_max.
        power: a, the paper's is 5.
        form: of the transition, see ``PhasedProgress``.

    Raises:
        ValueError: an argument is out of its range, or a class has no samples.

    Source: Xu et al., arXiv 2205.12117.
    """

    def __init__(
        self, class_counts: CountsLike, start: int, end: int, power: float = 5.0, form: ProgressForm = "power"
    ) -> None:
        super().__init__(start, end, power, form)
        self.class_counts = ClassCounts(class_counts)
        inverse_frequency_weights(self.class_counts)  # refuses a class without samples now and not in mid-training

    def __call__(self, epoch: int) -> Tensor:
        """(C,) class weights of an epoch; they sum to C."""
        return inverse_frequency_weights(self.class_counts, self.progress(epoch))


class PhasedProgressiveSampling(PhasedProgress):
    """Phased progressive re-sampling (PPS): class probabilities from the training frequencies to equal ones.

        P(c) = g / C + (1 - g) * n_c / N

    Arguments, errors and source as for ``PhasedProgressiveWeights``; a class without samples keeps probability 0 only
    while g is 0, so it is refused too.
    """

    def __init__(
        self, class_counts: CountsLike, start: int, end: int, power: float = 5.0, form: ProgressForm = "power"
    ) -> None:
        super().__init__(start, end, power, form)
        self.class_counts = ClassCounts(class_counts)
        inverse_frequency_weights(self.class_counts)

    def __call__(self, epoch: int) -> Tensor:
        """(C,) class probabilities of an epoch; they sum to 1."""
        g = self.progress(epoch)
        return g / len(self.class_counts) + (1 - g) * torch.from_numpy(self.class_counts.priors)


def progressive_sampling(class_counts: CountsLike, epochs: int) -> PhasedProgressiveSampling:
    """Progressively balanced sampling: linearly over the epochs from training frequencies to equal probabilities.

        P(c) = t / C + (1 - t) * n_c / N,   t = epoch / (epochs - 1)

    ``PhasedProgressiveSampling`` from the first epoch to the last with power 1. The paper writes t = epoch / epochs;
    its published code reaches 1 in the last epoch, as here.

    Args:
        class_counts: (C,) training counts, all positive.
        epochs: of the training, at least 2.

    Raises:
        ValueError: there are fewer epochs, or a class has no samples.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """
    return PhasedProgressiveSampling(class_counts, 0, whole_number("epochs", epochs, at_least=2) - 1, power=1.0)


class PhasedProgressiveMixing(PhasedProgress):
    """Phased progressive mixing (PPmix): from the labels of mixup to those of Remix, which favour the rarer class.

    An image is lam * x_a + (1 - lam) * x_b. The weight of label a is lam, except, with kappa = ``count_ratio``,

        n_a / n_b >= kappa and lam < 1/2:    lam * (1 - g)          (the frequent a gives its label away)
        n_a / n_b <= 1 / kappa and lam > 1/2:    lam * (1 - g) + g      (the rare a takes the whole label)

    Args:
        start: E_min.
        end: E_max.
        power: a of g = t^a.
        count_ratio: kappa, at least 1.

    Raises:
        ValueError: an argument is out of its range.

    Source: Xu et al., arXiv 2205.12117; Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020.
    """

    def __init__(self, start: int, end: int, power: float = 3.0, count_ratio: float = 3.0) -> None:
        super().__init__(start, end, power)
        self.count_ratio = in_range("count_ratio", count_ratio, at_least=1)

    def label_weight(self, epoch: int, lam: Tensor, count_a: Tensor, count_b: Tensor) -> Tensor:
        """Weight of label a for pairs of samples, shapes broadcast.

        Args:
            epoch: from 0.
            lam: share of a in the image, in [0, 1].
            count_a: training count of the class of a, positive.
            count_b: that of b.
        """
        return lam.lerp(remix_label_weights(lam, count_a, count_b, self.count_ratio), self.progress(epoch))
