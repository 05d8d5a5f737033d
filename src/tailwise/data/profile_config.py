"""Imbalance profiles as a recipe writes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tailwise.counts import ClassCounts
from tailwise.data.profiles import exponential_counts, linear_counts, multi_step_counts, step_counts
from tailwise.errors import InputError

Count: TypeAlias = Annotated[int, Field(ge=1, lt=2**40)]
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


class DecreasingProfile(ProfileModel):
    """Counts that fall with the label.

    Args:
        max_count: samples of class 0; by default as many as leave no class with fewer samples than it is asked for,
            or, with ``cap``, as the largest class has.
        imbalance_factor: of the counts that are asked for.
        cap: a class that has fewer samples than asked for gives what it has, instead of being refused.
    """

    max_count: Count | None = None
    imbalance_factor: ImbalanceFactor
    cap: bool = False

    @abstractmethod
    def decreasing_counts(self, num_classes: int, max_count: int) -> ClassCounts:
        """The counts that are asked for."""

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """Counts falling with the label."""
        if self.max_count is None and not self.cap:
            return self._as_many_as_fit(available)
        wanted = self.decreasing_counts(len(available), self.max_count or max(available))
        return _capped(wanted, available) if self.cap else wanted

    def _as_many_as_fit(self, available: ClassCounts) -> ClassCounts:
        """The largest such counts that no class lacks samples for."""
        fitting, too_many = 0, max(available) + 1
        while too_many - fitting > 1:
            tried = (fitting + too_many) // 2
            # Below the imbalance factor not even the rarest class would keep a sample.
            fits = tried < self.imbalance_factor or bool(
                (self.decreasing_counts(len(available), tried).counts <= available.counts).all()
            )
            fitting, too_many = (tried, too_many) if fits else (fitting, tried)
        if fitting < self.imbalance_factor:
            raise InputError(
                f"imbalance_factor {self.imbalance_factor:g} cannot be had from classes of {min(available)} to "
                f"{max(available)} samples; lower it, or set cap: true to take what each class has"
            )
        return self.decreasing_counts(len(available), fitting)


class ExponentialProfile(DecreasingProfile):
    """Long-tailed counts, see :func:`exponential_counts`."""

    name: Literal["exponential"] = "exponential"

    def decreasing_counts(self, num_classes: int, max_count: int) -> ClassCounts:
        """Counts falling exponentially."""
        return exponential_counts(num_classes, max_count, self.imbalance_factor)


class LinearProfile(DecreasingProfile):
    """Counts in equal steps, see :func:`linear_counts`."""

    name: Literal["linear"] = "linear"

    def decreasing_counts(self, num_classes: int, max_count: int) -> ClassCounts:
        """Counts falling linearly."""
        return linear_counts(num_classes, max_count, self.imbalance_factor)


class StepProfile(ProfileModel):
    """Majority and minority classes, see :func:`step_counts`; ``cap`` as in :class:`DecreasingProfile`."""

    name: Literal["step"] = "step"
    majority_count: Count
    minority_count: Count
    majority_classes: tuple[Label, ...]
    cap: bool = False

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """Two levels of counts."""
        wanted = step_counts(len(available), self.majority_count, self.minority_count, self.majority_classes)
        return _capped(wanted, available) if self.cap else wanted


class Step(BaseModel):
    """One level of a multi-step profile: ``count`` samples of each of the ``classes``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Count
    classes: tuple[Label, ...]


class MultiStepProfile(ProfileModel):
    """Several levels, see :func:`multi_step_counts`; ``cap`` as in :class:`DecreasingProfile`."""

    name: Literal["multi-step"] = "multi-step"
    steps: tuple[Step, ...]
    cap: bool = False

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """One level of counts for each step."""
        wanted = multi_step_counts(len(available), [(step.count, step.classes) for step in self.steps])
        return _capped(wanted, available) if self.cap else wanted


def _capped(wanted: ClassCounts, available: ClassCounts) -> ClassCounts:
    """What there is where less exists than is wanted."""
    return ClassCounts(np.minimum(wanted.counts, available.counts))


class CountsProfile(ProfileModel):
    """Counts given one by one, in the order of the labels; ``cap`` as in :class:`DecreasingProfile`."""

    name: Literal["counts"] = "counts"
    counts: tuple[Count, ...]
    cap: bool = False

    def class_counts(self, available: ClassCounts) -> ClassCounts:
        """The given counts."""
        if len(self.counts) != len(available):
            raise InputError(f"counts must be one for each of the {len(available)} classes, got {len(self.counts)}")
        wanted = ClassCounts(self.counts)
        return _capped(wanted, available) if self.cap else wanted


Profile: TypeAlias = Annotated[
    NaturalProfile | ExponentialProfile | LinearProfile | StepProfile | MultiStepProfile | CountsProfile,
    Field(discriminator="name"),
]
