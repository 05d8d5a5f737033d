"""What post-hoc corrections have in common: logits in, logits out, and what some of them learn from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from tailwise.conversion import as_tensor
from tailwise.counts import ClassCounts, CountsLike

Logits = TypeVar("Logits", Tensor, NDArray[Any])


class PosthocCorrection(ABC):
    """A map from logits (N, C) to logits (N, C) that is applied after training; ``needs`` says what it is made from."""

    needs: ClassVar[str]

    def transform(self, logits: Logits, sample_weight: Tensor | NDArray[Any] | None = None) -> Logits:
        """Corrected logits (N, C), numpy or torch as given; their softmax are the corrected probabilities.

        Args:
            logits: (N, C).
            sample_weight: (N,) positive, how often each sample counts where a correction looks at the whole set; one
                that looks at single samples does not use it.

        Raises:
            ValueError: the logits are not (N, C) or not finite, or the weights not (N,), finite and positive; or the
                correction has not learned yet what it has to.
        """
        given = checked_logits(logits)
        if sample_weight is None:
            weight = given.new_ones(given.shape[0])
        else:
            weight = torch.as_tensor(sample_weight).to(given)
            if weight.shape != given.shape[:1] or not (weight.isfinite() & (weight > 0)).all():
                raise ValueError(f"sample_weight must be {len(given)} finite positive numbers, got {sample_weight}")
        corrected = self._correct(given, weight)
        return corrected if isinstance(logits, Tensor) else np.asarray(corrected.numpy())

    @abstractmethod
    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor: ...


class ValidatedCorrection(PosthocCorrection):
    """A correction that learns from a validation set: samples with targets that the classifier was not trained on."""

    needs = "a validation set"

    def fit(self, logits: Tensor | NDArray[Any], target: Tensor | NDArray[Any]) -> Self:
        """Learn from a validation set.

        Args:
            logits: (N, C); or (N, 1), the log-odds of class 1 where there are two classes.
            target: (N,) class indices.

        Raises:
            ValueError: the shapes do not fit, a logit is not finite, a target is out of range, or the set does not tell
                what is to be learned from it.
        """
        scores, labels = checked_validation(logits, target)
        if scores.shape[1] == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        self._fit(scores, labels)
        return self

    @abstractmethod
    def _fit(self, logits: Tensor, target: Tensor) -> None:
        """See ``fit``; logits (N, C) float64 with C at least 2, target (N,) int64, both on the CPU."""


def checked_logits(logits: Tensor | NDArray[Any]) -> Tensor:
    """Logits as a tensor.

    Raises:
        ValueError: they are not (N, C), floating and finite.
    """
    given = as_tensor(logits)
    finite = torch.compiler.is_compiling() or bool(given.isfinite().all())  # a graph cannot look at values
    if given.ndim != 2 or not given.is_floating_point() or not finite:
        raise ValueError(f"logits must be finite and floating (N, C), got {given.dtype} of shape {tuple(given.shape)}")
    return given


def checked_validation(logits: Tensor | NDArray[Any], target: Tensor | NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Logits (N, C) as float64 and targets (N,) as int64, on the CPU.

    Raises:
        ValueError: there is no sample, the shapes do not fit, a logit is not finite, or a target is not below C (below
            2 where there is one logit).
    """
    scores, labels = checked_logits(logits).detach().cpu().double(), as_tensor(target).cpu()
    if len(scores) == 0 or scores.shape[1] == 0 or labels.shape != scores.shape[:1]:
        raise ValueError(
            f"logits (N, C) and target (N,) must be of the same samples, at least one, got shapes "
            f"{tuple(scores.shape)} and {tuple(labels.shape)}"
        )
    ClassCounts.from_targets(labels, max(scores.shape[1], 2))
    return scores, labels.long()


def match_classes(logits: Tensor, num_classes: int, name: str) -> None:
    """Refuse logits (N, C) of another number of classes than ``name`` has."""
    if logits.shape[1] != num_classes:
        raise ValueError(f"logits have {logits.shape[1]} classes but {name} has {num_classes}")


def log_prior(class_counts: CountsLike) -> Tensor:
    """(C,) float64 log pi_c = log(n_c / N).

    Raises:
        ValueError: a class has count 0.
    """
    counts = ClassCounts(class_counts)
    if 0 in counts.counts:
        missing = list(counts).index(0)
        raise ValueError(f"class {missing} has count 0, so its log prior is infinite; leave it out or count it as 1")
    return torch.from_numpy(np.log(counts.priors))


def within_range(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Scores as ``dtype``; those beyond its range, infinite ones too, become the nearest finite number."""
    limits = torch.finfo(dtype)
    return scores.clamp(limits.min, limits.max).to(dtype)
