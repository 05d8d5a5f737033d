"""Temperature scaling: probabilities that are as confident as they are right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tailwise.posthoc._base import ValidatedCorrection, within_range
from tailwise.posthoc._registry import register_posthoc

NEWTON_STEPS = 100
RELATIVE_PRECISION = 1e-12


@register_posthoc("temperature")
class TemperatureScaling(ValidatedCorrection):
    """Divide the logits by the one temperature under which a validation set is most likely.

        z / T,   T = argmin_{T > 0} mean_i -log softmax(z_i / T)_{y_i}

    Needs a validation set. The probabilities become as calibrated as one number can make them, for data with the class
    frequencies of the validation set; the predictions stay the same. The negative log-likelihood is convex in 1/T: its
    minimum is found to float64's precision by Newton's method within a bracket.

    Attributes:
        temperature_: T, after ``fit``; above 1 where the classifier was too confident.

    Raises:
        ValueError: from ``fit``, also where no temperature is the best: all validation samples are right, so that the
            likelihood rises for ever as T goes to 0, or the logits tell no more than equal probabilities do, so that it
            rises for ever with T.

    Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def __init__(self) -> None:
        self.temperature_: float | None = None

    def _fit(self, logits: Tensor, target: Tensor) -> None:
        # The difference of two logits may exceed float64's range; a probability so low is 0 either way.
        margin = (logits - logits.amax(dim=1, keepdim=True)).clamp_min(torch.finfo(torch.float64).min / 4)
        spread = -float(margin.min())
        margin = margin / max(spread, torch.finfo(torch.float64).tiny)
        own = margin.gather(1, target.unsqueeze(1)).squeeze(1)

        def derivatives(inverse: float) -> tuple[float, float]:
            """First and second derivative of the negative log-likelihood to 1/T, in units of the spread."""
            p = (inverse * margin).softmax(dim=1)
            mean = (p * margin).sum(dim=1, keepdim=True)
            variance = (p * (margin - mean) ** 2).sum(dim=1)
            return float((mean.squeeze(1) - own).mean()), float(variance.mean())

        if derivatives(0.0)[0] >= 0:
            raise ValueError(
                f"the logits of the {len(target)} validation samples tell no more of their targets than equal "
                "probabilities do, so no temperature is the best; check that logits and targets belong together"
            )
        if (own == 0).all():
            raise ValueError(
                f"the largest logit is the target's in all of the {len(target)} validation samples, so the likelihood "
                "rises for ever as the temperature goes to 0; hold out more samples"
            )
        low, high = 0.0, 1.0
        while derivatives(high)[0] < 0:
            low, high = high, 2 * high
        inverse = high
        for _ in range(NEWTON_STEPS):
            slope, curvature = derivatives(inverse)
            low, high = (inverse, high) if slope < 0 else (low, inverse)
            newton = inverse - slope / curvature if curvature > 0 else math.inf
            following = newton if low <= newton <= high else (low + high) / 2
            step, inverse = abs(following - inverse), following
            if step <= RELATIVE_PRECISION * inverse:
                break
        self.temperature_ = spread / inverse

    def _correct(self, logits: Tensor, sample_weight: Tensor) -> Tensor:
        if self.temperature_ is None:
            raise ValueError("the temperature is unknown; call fit with validation logits and targets first")
        return within_range(logits / self.temperature_, logits.dtype)
