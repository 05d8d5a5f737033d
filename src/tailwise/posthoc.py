"""Corrections of a trained classifier's logits, in scikit-learn's shape."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tailwise.conversion import as_tensor
from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range
from tailwise.two_stage import powered_lengths

Logits = TypeVar("Logits", Tensor, NDArray[Any])
TAUS = tuple(step / 10 for step in range(31))


class PosthocCorrection(ABC):
    """A map from logits (N, C) to logits (N, C) that is applied after training."""

    def transform(self, logits: Logits, sample_weight: Tensor | NDArray[Any] | None = None) -> Logits:
        """Corrected logits (N, C), numpy or torch as given; their softmax are the corrected probabilities.

        Args:
            logits: (N, C).
            sample_weight: (N,) positive, how often each sample counts where a correction looks at the whole set; one
                that looks at single samples does not use it.

        Raises:
            ValueError: the logits are not (N, C) or not finite, or the weights not (N,), finite and positive.
        """
        given = as_tensor(logits)
        if given.ndim != 2 or not given.is_floating_point() or not given.isfinite().all():
            raise ValueError(
                f"logits must be finite and floating (N, C), got {given.dtype} of shape {tuple(given.shape)}"
            )
        weight = given.new_ones(len(given)) if sample_weight is None else torch.as_tensor(sample_weight).to(given)
        if weight.shape != given.shape[:1] or not (weight.isfinite() & (weight > 0)).all():
            raise ValueError(f"sample_weight must be {len(given)} finite positive numbers, got {sample_weight}")
        corrected = self._correct(given, weight)
        return corrected if isinstance(logits, Tensor) else np.asarray(corrected.numpy())

    @abstractmethod
    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor: ...


class LogitAdjustment(PosthocCorrection):
    """Take the training prior out of the logits of a classifier that was trained without correction.

        z - tau * log pi,   pi_c = n_c / N

    Needs the training counts alone. With tau = 1 it is Bayes-optimal for balanced accuracy, where softmax(z) is the
    training posterior. Not for logits of balanced softmax, logit-adjusted, GALA or LADE losses: they have it already.

    Args:
        class_counts: (C,) training counts, all positive.
        tau: strength; 0 changes nothing.

    Raises:
        ValueError: a class has count 0, or tau is not finite.

    Source: Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 9.
    """

    def __init__(self, class_counts: CountsLike, tau: float = 1.0) -> None:
        counts = ClassCounts(class_counts)
        if 0 in counts.counts:
            missing = list(counts).index(0)
            raise ValueError(
                f"class {missing} has count 0, so its log prior is infinite; leave it out or count it as 1"
            )
        self.log_prior = torch.from_numpy(np.log(counts.priors))
        self.tau = in_range("tau", tau)

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        if logits.shape[1] != len(self.log_prior):
            raise ValueError(f"logits have {logits.shape[1]} classes but class_counts has {len(self.log_prior)}")
        return logits - self.tau * self.log_prior.to(logits)


class TauNormalization(PosthocCorrection):
    """What ``tailwise.two_stage.tau_normalized`` makes of a linear head, from the logits that the head gave.

        (z_c - b_c) / |w_c|^tau

    Args:
        weight: (C, F) w of the head that gave the logits.
        bias: (C,) b, where it has one.
        tau: 0 takes the bias away, 1 also all differences in length; not negative.

    Raises:
        ValueError: the shapes do not fit, or tau is negative or not finite.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, tau: float = 1.0) -> None:
        if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
            given = None if bias is None else tuple(bias.shape)
            raise ValueError(f"weight must be (C, F) and bias (C,), got shapes {tuple(weight.shape)} and {given}")
        self.divisor = powered_lengths(weight, tau)
        self.bias = torch.zeros_like(self.divisor) if bias is None else bias.detach()

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        if logits.shape[1] != len(self.divisor):
            raise ValueError(f"logits have {logits.shape[1]} classes but the head has {len(self.divisor)}")
        return (logits - self.bias.to(logits)) / self.divisor.to(logits)


class PredictionRebalancing(PosthocCorrection):
    """Prediction re-balancing (PN): no class may take more than its share of a test set's probability.

        P = softmax(z),   P'_ij = P_ij / (sum_i w_i P_ij)^tau,   prediction argmax_j P'_ij

    w is 1 unless ``transform`` is given weights, with which an imbalanced set of known labels stands for a balanced
    one.

    Transductive: it looks at the whole evaluation set at once, so a sample's prediction depends on the others', and it
    assumes that the classes of that set are about equally frequent. Do not use it on single samples, nor where the
    test set is as imbalanced as the training set. Needs no labels and no counts.

    Args:
        tau: strength; 0 changes nothing, the paper's is 1.

    Raises:
        ValueError: tau is not finite.

    Source: Zhang et al., "BaGMar" (2022) and "Gradient-Aware Logit Adjustment Loss for Long-Tailed Classifier" (GALA),
    ICASSP 2024, arXiv 2403.09036.
    """

    def __init__(self, tau: float = 1.0) -> None:
        self.tau = in_range("tau", tau)

    def scores(self, logits: Logits) -> Logits:
        """P' itself, not renormalised; for tau > 1 infinite where a class has next to no probability in the set."""
        transformed = self.transform(logits)
        return transformed.exp() if isinstance(transformed, Tensor) else np.asarray(np.exp(transformed))

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        """log P': the sum over samples is taken in the log domain, where no class is too small for it."""
        # The difference of two logits may exceed their type's range; a log probability so low is 0 either way.
        margin = (logits - logits.amax(dim=1, keepdim=True)).clamp_min(torch.finfo(logits.dtype).min / 4)
        log_probability = margin.log_softmax(dim=1)
        log_sum = (log_probability + sample_weight.log().unsqueeze(1)).logsumexp(dim=0)
        return log_probability - self.tau * log_sum


POSTHOC = {"logit-adjustment": LogitAdjustment, "rebalance": PredictionRebalancing}


def build_posthoc(name: str, class_counts: CountsLike, tau: float) -> PosthocCorrection:
    """A correction by its name in the command line.

    Raises:
        ValueError: there is none of that name, or a class has count 0 where it must not.
    """
    if name not in POSTHOC:
        raise ValueError(f"no correction is named {name!r}; there are {', '.join(POSTHOC)}")
    return PredictionRebalancing(tau) if name == "rebalance" else LogitAdjustment(class_counts, tau)


def search_tau(
    logits: Tensor | NDArray[Any],
    targets: Tensor | NDArray[Any],
    correction: Callable[[float], PosthocCorrection],
    taus: Sequence[float] = TAUS,
) -> float:
    """The strength of a correction with the best balanced accuracy on a validation set.

    Balanced accuracy is the mean recall of the classes that the set has. A validation set carved from long-tailed
    training data is long-tailed itself, while re-balancing assumes a balanced set: each sample of class c is given the
    weight 1 / n_c, n_c its validation count, in the sums over the set, so that every class has the same say in them.
    The few samples of a rare class then speak for many, so tau is as uncertain as their recall. A class without a
    validation sample has no say: none is predicted to be of it, which would cost the others' recall and gain nothing.

    Args:
        logits: (N, C) of validation samples, which the classifier was not trained on.
        targets: (N,) class indices.
        correction: makes the correction of a tau: ``PredictionRebalancing``, or
            ``lambda tau: LogitAdjustment(class_counts, tau)``.
        taus: to choose from, ascending. Few samples make long runs of equally good ones: the middle of the first run is
            taken, as the safest, unless it begins with the first tau, by default 0, which corrects nothing.

    Raises:
        ValueError: the shapes do not fit, a target is not below C, or there is nothing to choose from.
    """
    scores, labels = torch.as_tensor(logits), torch.as_tensor(targets)
    if scores.ndim != 2 or len(scores) == 0 or labels.shape != scores.shape[:1] or len(taus) == 0:
        raise ValueError(
            f"a search needs logits (N, C), targets (N,) and at least one tau, got shapes {tuple(scores.shape)} and "
            f"{tuple(labels.shape)} and {len(taus)} taus"
        )
    counts = ClassCounts.from_targets(labels, scores.shape[1]).tensor().to(labels.device)
    weight = 1 / counts[labels].double()

    def balanced_accuracy(tau: float) -> float:
        corrected = correction(tau).transform(scores, weight)
        predicted = corrected.masked_fill(counts == 0, -torch.inf).argmax(dim=1)
        hits = labels[predicted == labels].bincount(minlength=len(counts))
        return float((hits / counts)[counts > 0].mean())

    accuracies = [balanced_accuracy(tau) for tau in taus]
    first = accuracies.index(max(accuracies))
    run = itertools.takewhile(lambda accuracy: accuracy == accuracies[first], accuracies[first:])
    return taus[0 if first == 0 else first + (len(list(run)) - 1) // 2]
