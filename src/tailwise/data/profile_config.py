"""Imbalance profiles as a recipe writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from tailwise.counts import ClassCounts
from tailwise.data.profiles import exponential_counts, linear_counts, multi_step_counts, step_counts
from tailwise.errors import InputError

Count: TypeAlias = Annotated[int, Field(ge=1)]
Label: TypeAlias = Annotated[int, Field(ge=0)]
ImbalanceFactor: TypeAlias = Annotated[float, Field(ge=1, allow_inf_nan=False)]


class ProfileModel(BaseModel, ABC):
    """What the profiles have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """The counts to train on, where ``available`` (C,) counts the training samples there are.

        Counts larger than those available are not refused here but by :func:`subset_indices`.

        Raises:
            InputError: the profile does not fit the number of classes.
        """


class NaturalProfile(ProfileModel):
    """The data as it is."""

    name: Literal["natural"] = "natural"

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """All available samples."""
        return available


class ExponentialProfile(ProfileModel):
    """Long-tailed counts, see :func:`exponential_counts`; ``max_count`` is the largest available count by default."""

    name: Literal["exponential"] = "exponential"
    max_count: Count | None = None
    imbalance_factor: ImbalanceFactor

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """Counts falling exponentially with the label."""
        return exponential_counts(len(available), self.max_count or max(available), self.imbalance_factor)


class LinearProfile(ProfileModel):
    """Counts in equal steps, see :func:`linear_counts`; ``max_count`` is the largest available count by default."""

    name: Literal["linear"] = "linear"
    max_count: Count | None = None
    imbalance_factor: ImbalanceFactor

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """Counts falling linearly with the label."""
        return linear_counts(len(available), self.max_count or max(available), self.imbalance_factor)


class StepProfile(ProfileModel):
    """Majority and minority classes, see :func:`step_counts`."""

    name: Literal["step"] = "step"
    majority_count: Count
    minority_count: Count
    majority_classes: tuple[Label, ...]

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """Two levels of counts."""
        return step_counts(len(available), self.majority_count, self.minority_count, self.majority_classes)


class Step(BaseModel):
    """One level of a multi-step profile: ``count`` samples of each of the ``classes``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Count
    classes: tuple[Label, ...]


class MultiStepProfile(ProfileModel):
    """Several levels, see :func:`multi_step_counts`."""

    name: Literal["multi-step"] = "multi-step"
    steps: tuple[Step, ...]

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """One level of counts for each step."""
        return multi_step_counts(len(available), [(step.count, step.classes) for step in self.steps])


class CountsProfile(ProfileModel):
    """Counts given one by one, in the order of the labels."""

    name: Literal["counts"] = "counts"
    counts: tuple[Count, ...]

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """The given counts."""
        if len(self.counts) != len(available):
            raise InputError(f"counts must be one for each of the {len(available)} classes, got {len(self.counts)}")
        return ClassCounts(self.counts)


Profile: TypeAlias = Annotated[
    NaturalProfile | ExponentialProfile | LinearProfile | StepProfile | MultiStepProfile | CountsProfile,
    Field(discriminator="name"),
]
