"""The probabilities with which classes are drawn."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tailwise.conversion import as_array
from tailwise.counts import ClassCounts, CountsLike
from tailwise.weights import effective_number_weights

Rule = Literal["class-balanced", "instance", "square-root", "effective-number"]
"""How the probability of a class follows from its count."""

POWERS: dict[Rule, float] = {"class-balanced": 0.0, "instance": 1.0, "square-root": 0.5}


def class_probabilities(rule: Rule, counts: ClassCounts) -> NDArray[np.float64]:
    """(C,) probabilities by a rule that looks at the counts n_c alone.

        n_c^q / sum_k n_k^q     "instance" has q = 1, "square-root" q = 1/2, "class-balanced" q = 0
        "effective-number"      see ``effective_number_probabilities``, with its beta of 0.9999

    Raises:
        ValueError: there is no such rule, or "class-balanced" meets a class without samples.

    Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
    """
    if rule == "effective-number":
        return effective_number_probabilities(counts)
    if rule not in POWERS:
        raise ValueError(f"probabilities must be one of {', '.join(get_args(Rule))} or C numbers, got {rule!r}")
    shares = counts.counts.astype(np.float64) ** POWERS[rule]
    return checked_probabilities(shares / shares.sum(), counts)


def effective_number_probabilities(class_counts: CountsLike, beta: float = 0.9999) -> NDArray[np.float64]:
    """(C,) probabilities of drawing samples with the weights of their classes by effective number.

        P(c) = n_c w_c / sum_k n_k w_k,   w_c = (1 - beta) / (1 - beta^n_c)

    Classes far below 1 / (1 - beta) samples are as likely as one another, classes far above as their counts are.

    Args:
        class_counts: (C,) training counts n_c; a class without samples has probability 0.
        beta: 0 gives the training frequencies, towards 1 equal probabilities; 0 <= beta < 1.

    Raises:
        ValueError: beta is out of range.

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
    """
    counts = ClassCounts(class_counts).counts
    present = counts > 0
    shares = np.zeros(len(counts))
    shares[present] = counts[present] * effective_number_weights(counts[present], beta).numpy()
    probabilities: NDArray[np.float64] = shares / shares.sum()
    return probabilities


def checked_probabilities(probabilities: ArrayLike | Tensor, counts: ClassCounts) -> NDArray[np.float64]:
    """(C,) ``probabilities`` of the classes of ``counts``.

    Raises:
        ValueError: they are not C numbers from 0 up of sum 1, or a class without samples has one above 0.
    """
    checked = as_array(probabilities).astype(np.float64)
    if checked.shape != (len(counts),):
        raise ValueError(f"probabilities must be {len(counts)} numbers, one per class, got shape {checked.shape}")
    if not np.isfinite(checked).all() or checked.min() < 0 or abs(checked.sum() - 1) > 1e-4:
        raise ValueError(f"probabilities must not be negative and must sum to 1, got sum {checked.sum():g}")
    require_samples(counts, checked)
    return checked


def require_samples(counts: ClassCounts, probabilities: NDArray[np.float64]) -> None:
    """Refuse a class without samples where ``probabilities`` (C,) is above 0."""
    empty = np.flatnonzero((counts.counts == 0) & (probabilities > 0))
    if empty.size:
        raise ValueError(f"class {empty[0]} has no samples, so none can be drawn; leave the class out of the data")
