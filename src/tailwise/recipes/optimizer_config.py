"""The ``optimizer`` and ``learning_rate`` sections of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from tailwise.recipes.section import Epoch, Fraction, NonNegative, Positive, Section


class AdamConfig(Section):
    """Adam, or AdamW, whose weight decay is decoupled."""

    name: Literal["adam", "adamw"] = "adam"
    lr: Positive = 1e-3
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegative = 0.0


class SGDConfig(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    lr: Positive = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    @model_validator(mode="after")
    def _check_momentum(self) -> SGDConfig:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


Optimizer: TypeAlias = Annotated[AdamConfig | SGDConfig, Field(discriminator="name")]


class LearningRateConfig(Section):
    """How the learning rate moves over the epochs."""

    name: Literal["constant", "cosine", "step", "staircase"] = "constant"
    warmup_epochs: Epoch = 0
    milestones: list[Epoch] = Field(default_factory=list, description="epochs at which a step schedule multiplies")
    gamma: Positive = Field(0.1, description="what a step schedule multiplies by")
    start: Epoch | None = Field(None, description="epochs that a staircase leaves at the full rate")

    @model_validator(mode="after")
    def _check_own_fields(self) -> LearningRateConfig:
        if self.milestones and self.name != "step":
            raise ValueError(f"milestones belong to the step schedule, not to {self.name!r}")
        if self.name == "step" and not self.milestones:
            raise ValueError("a step schedule needs milestones, e.g. [160, 180]")
        if (self.start is None) == (self.name == "staircase"):
            raise ValueError("start, e.g. 80, belongs to the staircase schedule, which needs it")
        return self

    @property
    def begins(self) -> dict[str, int]:
        """The epochs that something begins at, by the field that says so."""
        return {
            "learning_rate.warmup_epochs": self.warmup_epochs,
            "learning_rate.milestones": max(self.milestones, default=0),
            "learning_rate.start": self.start or 0,
        }


def refuse_late(begins: dict[str, int], epochs: int) -> None:
    """Refuse what would begin after a training of so many epochs has ended; ``begins`` is by field."""
    late = [f"{name} is {epoch}" for name, epoch in begins.items() if epoch >= epochs]
    if late:
        mend = "lower it or train for longer" if len(late) == 1 else "lower them or train for longer"
        raise ValueError(f"{', '.join(late)}, past the training of {epochs} epochs (they count from 0); {mend}")
