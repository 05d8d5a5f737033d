"""The data section of a recipe: which samples to train and test on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tailwise.data.augment.steps import Step
from tailwise.data.profile_config import NaturalProfile, Profile
from tailwise.data.profiles import TestProfile
from tailwise.data.sources import Source


class DataConfig(BaseModel):
    """Which samples to train and test on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source
    classes: list[int] | None = Field(
        None, min_length=2, description="keep these labels of the source, renumbered in this order"
    )
    profile: Profile = Field(default_factory=NaturalProfile)
    seed: Annotated[int, Field(ge=0)] | None = Field(
        0, description="which samples fill the profile and are held out; null takes the first of each class"
    )
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="share of the profile's samples of each class that is held out of training"
    )
    validation_fold: Annotated[int, Field(ge=0)] = Field(
        0, description="which of them: 1 holds out the samples that follow those of 0, and so on in a circle"
    )
    test_profile: TestProfile = "natural"
    augmentation: list[Step] = Field(
        default_factory=list, description="random changes to training images, one after the other"
    )
