"""Cost-sensitive decision: the prediction whose expected cost is the least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tailwise.conversion import as_array
from tailwise.posthoc._base import PosthocCorrection, checked_validation, match_classes, within_range
from tailwise.posthoc._registry import register_posthoc


@register_posthoc("cost-sensitive")
class CostSensitiveDecision(PosthocCorrection):
    """Decide by what errors cost instead of how many there are.

        prediction argmin_j sum_c p_c * cost[c, j],   p = softmax(z)
        z'_j = log sum_c p_c * (max_k cost[c, k] - cost[c, j])

    The argmax of z' is that prediction, since what the worst prediction for a class costs is the same for all of them.
    Costs of 1 for every error give z' = log p. Costs of the class alone, w_c for an error on class c, give
    z'_j = log p_j + log w_j: they count class c as w_c times as frequent.

    Needs the costs alone. It assumes that softmax(z) is calibrated for the data it decides on: correct the logits by
    ``TemperatureScaling`` first, and where those data have other class frequencies than training, by ``PriorShift``.
    The corrected logits decide; their softmax are no calibrated probabilities.

    Args:
        costs: (C, C) finite cost[true, predicted], of which only differences within a row matter; or (C,) costs of an
            error on each class, finite and from 0 up.

    Raises:
        ValueError: the costs are neither, or every prediction costs the same.

    Source: Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001.
    """

    needs = "the costs"

    def __init__(self, costs: Sequence[float] | Sequence[Sequence[float]] | NDArray[Any] | Tensor) -> None:
        try:
            given = as_array(costs)
        except ValueError as error:  # numpy's, where rows are of different lengths
            raise ValueError(
                f"costs must be (C, C) or (C,) numbers, got rows of different lengths {costs!r}"
            ) from error
        square = given.ndim == 2 and given.shape[0] == given.shape[1]
        if given.dtype.kind not in "iuf" or not (square or given.ndim == 1) or len(given) < 2:
            raise ValueError(
                f"costs must be (C, C) or (C,) numbers of two classes or more, got {given.dtype} of shape {given.shape}"
            )
        self.costs = torch.from_numpy(given.astype(np.float64))
        self.gains = self.costs.amax(dim=1, keepdim=True) - self.costs if square else self.costs
        if not self.gains.isfinite().all() or (self.gains < 0).any():
            raise ValueError(
                "costs must be finite, and those of the classes alone from 0 up, got "
                f"{self.costs.min():g} to {self.costs.max():g}"
            )
        if (self.gains == 0).all():
            raise ValueError("costs must differ between predictions, but every prediction costs the same")
        self.gains = self.gains / self.gains.max()  # their ratios alone matter

    def mean_cost(self, logits: Tensor | NDArray[Any], target: Tensor | NDArray[Any]) -> float:
        """The mean cost of predicting the largest logit: of logits as they are, or as ``transform`` gives them.

        Args:
            logits: (N, C).
            target: (N,) class indices.

        Raises:
            ValueError: the shapes do not fit, a logit is not finite, or a target is not below C.
        """
        scores, labels = checked_validation(logits, target)
        match_classes(scores, len(self.costs), "costs")
        predicted = scores.argmax(dim=1)
        if self.costs.ndim == 1:
            return float((self.costs[labels] * (predicted != labels)).mean())
        return float(self.costs[labels, predicted].mean())

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        match_classes(logits, len(self.costs), "costs")
        # In half precision a rare class's probability would be 0, whatever it costs.
        log_p = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
        if self.gains.ndim == 1:
            scores = log_p + self.gains.log().to(log_p)
        else:
            scores = (log_p.exp() @ self.gains.to(log_p)).log()
        return within_range(scores, logits.dtype)
