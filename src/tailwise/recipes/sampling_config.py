"""The ``sampling`` section of a recipe: which samples an epoch trains on."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tailwise.data.labelled import Labelled
from tailwise.recipes.section import Epoch, Fraction, Positive, Section, Size
from tailwise.sampling import (
    Draw,
    SamplesByClass,
    balanced_batch_draw,
    class_probabilities,
    effective_number_probabilities,
    equalized_draw,
    rebalanced_draw,
    repeat_factor_draw,
)
from tailwise.schedules import PhasedProgressiveSampling, ProgressForm, progressive_sampling


class InstanceSampling(Section):
    """Every sample once an epoch, in random order."""

    name: Literal["instance"] = "instance"

    def draw(self, train: Labelled, seed: int, epochs: int) -> None:
        """Nothing to draw."""


class RebalancedSampling(Section):
    """As many draws an epoch as there are samples, with replacement: a class by a rule, then one of its samples."""

    name: Literal["class-balanced", "square-root"]

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        probabilities = class_probabilities(self.name, train.counts)
        return rebalanced_draw(_by_class(train), lambda epoch: probabilities, seed)


class EffectiveNumberSampling(Section):
    """The same, classes as likely as their counts over what their samples amount to."""

    name: Literal["effective-number"] = "effective-number"
    beta: Fraction = 0.9999

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        probabilities = effective_number_probabilities(train.counts, self.beta)
        return rebalanced_draw(_by_class(train), lambda epoch: probabilities, seed)


class ProgressiveSampling(Section):
    """The same, linearly from the training frequencies in the first epoch to equal ones in the last."""

    name: Literal["progressive"] = "progressive"

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        return rebalanced_draw(_by_class(train), progressive_sampling(train.counts, epochs), seed)


class PhasedSampling(Section):
    """The same, from the training frequencies to equal ones between two epochs (PPS)."""

    name: Literal["phased"] = "phased"
    start: Epoch
    end: Epoch
    power: Positive = 5.0
    form: ProgressForm = "power"

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        schedule = PhasedProgressiveSampling(train.counts, self.start, self.end, self.power, self.form)
        return rebalanced_draw(_by_class(train), schedule, seed)


class EqualizedSampling(Section):
    """Every class up to the largest (ROS) or down to the smallest (RUS), drawn anew in each epoch."""

    name: Literal["oversample", "undersample"]

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        per_class = max(train.counts) if self.name == "oversample" else min(train.counts)
        return equalized_draw(_by_class(train), per_class, seed)


class BalancedBatches(Section):
    """About as many draws an epoch as there are samples, in batches of equally many samples of each class."""

    name: Literal["class-balanced-batches"] = "class-balanced-batches"
    classes_per_batch: Size
    samples_per_class: Size

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse batches of another size.

        Raises:
            ValueError: the size is another one.
        """
        if self.classes_per_batch * self.samples_per_class != batch_size:
            raise ValueError(
                f"sampling draws batches of {self.classes_per_batch} classes x {self.samples_per_class} samples, but "
                f"training.batch_size is {batch_size}; set it to {self.classes_per_batch * self.samples_per_class}"
            )

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        return balanced_batch_draw(_by_class(train), self.classes_per_batch, self.samples_per_class, seed)


class RepeatFactorSampling(Section):
    """Every sample once an epoch, and those of rare classes more often."""

    name: Literal["repeat-factor"] = "repeat-factor"
    threshold: Annotated[float, Field(gt=0, le=1)]

    def draw(self, train: Labelled, seed: int, epochs: int) -> Draw:
        """The samples of each epoch."""
        return repeat_factor_draw(train.targets, self.threshold, seed)


def _by_class(train: Labelled) -> SamplesByClass:
    return SamplesByClass(train.targets, train.num_classes)


Sampling: TypeAlias = Annotated[
    InstanceSampling
    | RebalancedSampling
    | EffectiveNumberSampling
    | ProgressiveSampling
    | PhasedSampling
    | EqualizedSampling
    | BalancedBatches
    | RepeatFactorSampling,
    Field(discriminator="name"),
]
