"""Classes that are Gaussians on a line, where the best classifier is known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SPREAD = 0.7


def gaussian_problem(
    counts: Sequence[int], samples: int = 4000, seed: int = 0, test_prior: Sequence[float] | None = None
) -> tuple[Any, Any]:
    """The exact posterior log P(y | x) of a training set with ``counts``, and targets, of a test set.

    The classes of the test set are equally frequent unless ``test_prior`` says otherwise.
    """
    generator = np.random.default_rng(seed)
    target = generator.choice(len(counts), samples, p=test_prior)
    positions = target + SPREAD * generator.normal(size=samples)
    log_joint = (
        np.log(np.array(counts) / sum(counts)) - ((positions[:, None] - np.arange(len(counts))) / SPREAD) ** 2 / 2
    )
    return log_joint - np.logaddexp.reduce(log_joint, axis=1, keepdims=True), target


def long_tailed(logits: Any, target: Any, counts: list[int]) -> tuple[Any, Any]:
    """The first samples of each class, as many as ``counts`` says."""
    rows = np.concatenate([np.flatnonzero(target == label)[:count] for label, count in enumerate(counts)])
    return logits[rows], target[rows]
