"""The ``contrastive`` section of a recipe: a branch beside the loss that compares samples."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from tailwise.contrastive import BalancedContrastiveBranch
from tailwise.counts import ClassCounts
from tailwise.data.augment.steps import Step
from tailwise.recipes.section import Positive, Section, Size


class NoContrast(Section):
    """The loss alone."""

    name: Literal["none"] = "none"


class BalancedContrast(Section):
    """Balanced contrastive learning (BCL): two further views of every sample."""

    name: Literal["bcl"] = "bcl"
    factor: Positive = Field(0.3, description="of the contrastive loss beside the other")
    temperature: Positive = 0.1
    hidden: Size = 512
    dimensions: Size = 128
    augmentation: list[Step] | None = Field(None, description="of the two views; by default that of the data")

    def branch(self, class_counts: ClassCounts, num_features: int) -> BalancedContrastiveBranch:
        """The branch of a network with so many features."""
        return BalancedContrastiveBranch(class_counts, num_features, self.hidden, self.dimensions, self.temperature)


Contrastive: TypeAlias = Annotated[NoContrast | BalancedContrast, Field(discriminator="name")]
