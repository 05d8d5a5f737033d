"""Every metric, and the data sets that they are compared with scikit-learn and imbalanced-learn on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tailwise.metrics import (
    BalancedAccuracy,
    ClassificationMetric,
    ClasswiseCalibrationError,
    GeometricMean,
    MacroAUROC,
    MacroAveragePrecision,
    ShotAccuracy,
    WorstClassRecall,
)

CLASSES = 6
COUNTS = [300, 101, 100, 20, 19, 5]

METRICS: dict[str, Callable[..., ClassificationMetric]] = {
    "BalancedAccuracy": lambda **options: BalancedAccuracy(CLASSES, **options),
    "GeometricMean": lambda **options: GeometricMean(CLASSES, **options),
    "WorstClassRecall": lambda **options: WorstClassRecall(CLASSES, **options),
    "ShotAccuracy": lambda **options: ShotAccuracy(COUNTS, **options),
    "MacroAUROC": lambda **options: MacroAUROC(CLASSES, **options),
    "MacroAveragePrecision": lambda **options: MacroAveragePrecision(CLASSES, **options),
    "ClasswiseCalibrationError": lambda **options: ClasswiseCalibrationError(CLASSES, **options),
}
every_metric = pytest.mark.parametrize("build", METRICS.values(), ids=METRICS)


def random_problem(
    classes: int, samples: int = 300, seed: int = 0, decimals: int | None = None, power: float = 1.0
) -> tuple[Any, Any]:
    """Logits that are right more often than not; rounded, they have ties. Class c has a share like (c + 1)^-power."""
    generator = np.random.default_rng(seed)
    shares = np.arange(1.0, classes + 1) ** -power
    target = np.concatenate([np.arange(classes), generator.choice(classes, samples - classes, p=shares / shares.sum())])
    logits = generator.normal(size=(samples, classes)) + 1.5 * np.eye(classes)[target]
    return (logits if decimals is None else logits.round(decimals)), target


def _problems() -> dict[str, tuple[Any, Any]]:
    logits, target = random_problem(CLASSES)
    kept = (target != 1) & (target != 4)
    return {
        "balanced": random_problem(CLASSES, power=0.0),
        "long-tailed": random_problem(CLASSES, samples=500, power=2.0),
        "missing classes": (logits[kept], target[kept]),
        "ties": random_problem(CLASSES, decimals=0),
        "perfect": (8.0 * np.eye(CLASSES)[target], target),
        "hopeless": (-8.0 * np.eye(CLASSES)[target], target),
        "saturated": (100 * logits, target),
    }


PROBLEMS = _problems()
every_problem = pytest.mark.parametrize(("logits", "target"), PROBLEMS.values(), ids=PROBLEMS)


def value_of(metric: ClassificationMetric, logits: Any, target: Any, batches: int = 1) -> Any:
    """What the metric makes of the data, given to it in batches of about the same size."""
    metric.reset()
    for part in np.array_split(np.arange(len(target)), batches):
        metric.update(torch.tensor(logits[part]), torch.tensor(target[part]))
    return metric.compute()


def bin_of(logits: Any, bins: int) -> Any:
    """(N, C): the bin of each log-odds, from the formula of ``RankingMetric`` and as plain as it gets."""
    odds = np.array([[z[c] - torch.tensor(np.delete(z, c)).logsumexp(0).item() for c in range(len(z))] for z in logits])
    edges = np.sinh(np.linspace(-np.arcsinh(1e4), np.arcsinh(1e4), bins + 1))
    return np.searchsorted(edges[1:-1], odds, side="right")


def tensors_of(value: Tensor | dict[str, Tensor]) -> Iterable[Tensor]:
    """The one or the several results of a metric."""
    return value.values() if isinstance(value, dict) else [value]
