"""Class weights, and weights of mixed labels, from class counts."""

from __future__ import annotations

import torch
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range


def effective_number_weights(class_counts: CountsLike, beta: float = 0.9999) -> Tensor:
    """Weights by the effective number of samples: (1 - beta) / (1 - beta^n_c), scaled to sum to C.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        beta: 0 gives equal weights, towards 1 inverse frequencies; 0 <= beta < 1.

    Returns:
        (C,) float64.

    Raises:
        ValueError: beta is out of range, or a class has no samples.

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
    """
    beta = in_range("beta", beta, at_least=0, below=1)
    counts = _positive(class_counts)
    # 1 - beta^n, exact also where beta^n is close to 1
    effective = -torch.expm1(counts * torch.tensor(beta, dtype=torch.float64).log()) if beta > 0 else counts / counts
    weights = (1 - beta) / effective
    return weights * len(weights) / weights.sum()


def inverse_frequency_weights(class_counts: CountsLike, power: float = 1.0) -> Tensor:
    """Weights n_c^(-power), scaled to sum to C.

    Args:
        class_counts: (C,) training counts n_c, all positive.
        power: 0 gives equal weights, 1 inverse frequencies, 0.5 inverse square roots; not negative.

    Returns:
        (C,) float64.

    Raises:
        ValueError: a class has no samples, or the power is negative or not finite.
    """
    # Relative to the rarest class, whose weight cannot overflow.
    counts = _positive(class_counts)
    rarity = counts.min() / counts
    weights = rarity ** in_range("power", power, at_least=0)
    return weights * len(weights) / weights.sum()


def remix_label_weights(lam: Tensor, count_a: Tensor, count_b: Tensor, kappa: float = 3.0, tau: float = 0.5) -> Tensor:
    """Weight of label a in a mixed sample whose share of a is lam; shapes broadcast.

        0      n_a / n_b >= kappa and lam < tau          (the frequent a gives its label away)
        1      n_a / n_b <= 1 / kappa and 1 - lam < tau  (the rare a takes the whole label)
        lam    otherwise

    Args:
        lam: in [0, 1].
        count_a: n_a, training count of the class of a, positive.
        count_b: n_b, that of b.
        kappa: at least 1.
        tau: from 0 to 1.

    Raises:
        ValueError: kappa or tau is out of its range.

    Source: Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020.
    """
    kappa = in_range("kappa", kappa, at_least=1)
    tau = in_range("tau", tau, at_least=0, at_most=1)
    a_is_frequent = (count_a >= kappa * count_b) & (lam < tau)
    a_is_rare = (kappa * count_a <= count_b) & (1 - lam < tau)
    return lam.where(~a_is_frequent, 0.0).where(~a_is_rare, 1.0)


def _positive(class_counts: CountsLike) -> Tensor:
    counts = ClassCounts(class_counts).tensor().double()
    if (counts == 0).any():
        missing = int((counts == 0).nonzero()[0])
        raise ValueError(f"class {missing} has count 0, so it cannot be weighted; leave the class out or count it as 1")
    return counts
