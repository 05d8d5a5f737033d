"""The ``mixing`` section of a recipe: what a batch is mixed with, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from tailwise.data.labelled import Labelled
from tailwise.mixing import balanced_mixup, cmo, cutmix, mixup, phased_mixup, remix
from tailwise.recipes.section import Epoch, NonNegative, Positive, Section
from tailwise.sampling import Partners, SamplesByClass, epoch_generator, rebalanced_indices
from tailwise.schedules import PhasedProgressiveMixing

Mix: TypeAlias = Callable[[Tensor, Tensor, int, np.random.Generator], tuple[Tensor, Tensor]]
"""(inputs, targets, epoch, generator) -> (mixed inputs, class probabilities).

Where the batch has partners, they are the second half of inputs and targets.
"""

CountRatio = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class MixingSection(Section):
    """What the sections have in common."""

    def partners(self, train: Labelled, seed: int, epochs: int) -> Partners | None:
        """The samples that each epoch's are mixed with, where they are not of the same batch."""
        return None


class NoMixing(MixingSection):
    """Samples and labels as they are."""

    name: Literal["none"] = "none"

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> None:
        """Nothing to mix."""


class Mixup(MixingSection):
    """Pairs of samples and their labels, mixed alike."""

    name: Literal["mixup"] = "mixup"
    alpha: Positive = 1.0

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        num_classes = train.num_classes
        return lambda inputs, targets, epoch, generator: mixup(inputs, targets, num_classes, self.alpha, generator)


class PhasedMixing(MixingSection):
    """Mixup whose labels come to favour the rarer class of a pair between two epochs (PPmix)."""

    name: Literal["phased"] = "phased"
    start: Epoch
    end: Epoch
    power: Positive = 3.0
    alpha: Positive = 1.0
    count_ratio: CountRatio = 3.0

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        schedule = PhasedProgressiveMixing(self.start, self.end, self.power, self.count_ratio)
        counts = train.counts.tensor().to(device)
        return lambda inputs, targets, epoch, generator: phased_mixup(
            inputs, targets, counts, schedule, epoch, self.alpha, generator
        )


class RemixMixing(MixingSection):
    """Mixup whose labels are the rarer class's of a pair alone, where the counts differ enough."""

    name: Literal["remix"] = "remix"
    alpha: Positive = 1.0
    kappa: CountRatio = 3.0
    tau: Probability = 0.5

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        counts = train.counts.tensor().to(device)
        return lambda inputs, targets, epoch, generator: remix(
            inputs, targets, counts, self.alpha, self.kappa, self.tau, generator
        )


class CutMix(MixingSection):
    """A box of one image in another, labels by area."""

    name: Literal["cutmix"] = "cutmix"
    alpha: Positive = 1.0
    probability: Probability = 1.0

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        _require_images(self.name, train)
        num_classes = train.num_classes
        return lambda inputs, targets, epoch, generator: cutmix(
            inputs, targets, num_classes, self.alpha, self.probability, generator, channels_last=True
        )


class BalancedMixup(MixingSection):
    """Each sample mixed with one of a class-balanced draw."""

    name: Literal["balanced-mixup"] = "balanced-mixup"
    alpha: Positive = 0.2

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        num_classes = train.num_classes

        def mix(inputs: Tensor, targets: Tensor, epoch: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
            (inputs, balanced), (targets, labels) = inputs.chunk(2), targets.chunk(2)
            return balanced_mixup(inputs, targets, balanced, labels, num_classes, self.alpha, generator)

        return mix

    def partners(self, train: Labelled, seed: int, epochs: int) -> Partners:
        """Each class as likely."""
        return _weighted_partners(train, 1.0, seed)


class ContextRichOversampling(MixingSection):
    """A box of an image drawn in favour of the rare classes in each image, labels by area (CMO)."""

    name: Literal["cmo"] = "cmo"
    alpha: Positive = 1.0
    probability: Probability = 0.5
    power: NonNegative = Field(1.0, description="the foreground is drawn with weights n_c^-power of its samples")
    start: Epoch = Field(4, description="first epoch, from 0, in which it is done")
    plain_epochs: Epoch = Field(3, description="last epochs, without")

    def check_epochs(self, epochs: int) -> None:
        """Refuse a training of which nothing is left.

        Raises:
            ValueError: it is too short.
        """
        if self.start + self.plain_epochs >= epochs:
            raise ValueError(
                f"mixing.start {self.start} and mixing.plain_epochs {self.plain_epochs} leave nothing of the "
                f"{epochs} epochs to mix in; lower them or train for longer"
            )

    def mix(self, train: Labelled, device: torch.device, epochs: int) -> Mix:
        """How a batch is mixed."""
        _require_images(self.name, train)
        num_classes = train.num_classes

        def mix(inputs: Tensor, targets: Tensor, epoch: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
            if not self._mixes(epoch, epochs):
                return inputs, targets
            (images, foreground), (labels, pasted) = inputs.chunk(2), targets.chunk(2)
            return cmo(
                images,
                labels,
                foreground,
                pasted,
                num_classes,
                self.alpha,
                self.probability,
                generator,
                channels_last=True,
            )

        return mix

    def partners(self, train: Labelled, seed: int, epochs: int) -> Partners:
        """Samples weighted by a power of their class's count."""
        draw = _weighted_partners(train, self.power, seed)
        return lambda epoch, count: draw(epoch, count) if self._mixes(epoch, epochs) else None

    def _mixes(self, epoch: int, epochs: int) -> bool:
        return self.start <= epoch < epochs - self.plain_epochs


def _weighted_partners(train: Labelled, power: float, seed: int) -> Partners:
    """As many as asked for, each drawn with a weight n_c^-power by its class: class c with n_c^(1 - power)."""
    counts = train.counts.counts
    present = counts > 0
    shares = np.zeros(len(counts))
    shares[present] = (counts[present] / counts[present].min()) ** (1 - power)
    probabilities = shares / shares.sum()
    samples = SamplesByClass(train.targets, train.num_classes)
    return lambda epoch, count: rebalanced_indices(
        samples, probabilities, count, epoch_generator(seed, epoch, "partners")
    )


def _require_images(name: str, train: Labelled) -> None:
    if len(train.sample_shape) != 3:
        raise ValueError(f"{name} pastes boxes of images, but the data are {train.kind}; use mixup instead")


Mixing: TypeAlias = Annotated[
    NoMixing | Mixup | PhasedMixing | RemixMixing | CutMix | BalancedMixup | ContextRichOversampling,
    Field(discriminator="name"),
]
