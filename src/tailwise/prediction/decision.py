"""From logits to probabilities and classes: calibration and correction of one run."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tailwise.errors import InputError
from tailwise.posthoc import (
    ClassThresholds,
    CostSensitiveDecision,
    PosthocCorrection,
    PredictionRebalancing,
    PriorShift,
    TemperatureScaling,
)

DECIDES_ALONE = (ClassThresholds, CostSensitiveDecision)
"""Corrections that say which class to choose, and nothing of how probable it is."""


@dataclass(frozen=True)
class Decision:
    """What is made of a run's logits.

    The class is that of the largest corrected logit. Probabilities are the softmax of the corrected logits; of
    thresholds and costs, which decide without saying how probable a class is, the softmax of the calibrated ones.

    Args:
        correction: fitted, or None.
        calibration: temperature, fitted, or None.
    """

    correction: PosthocCorrection | None = None
    calibration: TemperatureScaling | None = None

    @property
    def needs_all(self) -> bool:
        """Whether a sample's class depends on the other samples."""
        estimated = isinstance(self.correction, PriorShift) and self.correction.estimated
        return estimated or isinstance(self.correction, PredictionRebalancing)

    @property
    def corrects_probabilities(self) -> bool:
        """Whether the probabilities are of the corrected logits."""
        return self.correction is not None and not isinstance(self.correction, DECIDES_ALONE)

    def __call__(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and class indices (N,) of logits (N, C).

        Raises:
            InputError: the correction looks at all samples at once, and these are fewer than there are classes.
        """
        if self.needs_all:
            if len(logits) < logits.shape[1]:
                raise InputError(
                    f"a correction that looks at all samples at once needs at least one for each class, got "
                    f"{len(logits)} for {logits.shape[1]} classes; give them together, or take another correction"
                )
            if isinstance(self.correction, PriorShift):
                self.correction.fit(logits)
        corrected = logits if self.correction is None else self.correction.transform(logits)
        likely = corrected
        if not self.corrects_probabilities:
            likely = logits if self.calibration is None else self.calibration.transform(logits)
        return likely.softmax(dim=1), corrected.argmax(dim=1)
