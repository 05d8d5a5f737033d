"""What a recipe can say: every field of a training run, checked when it is read."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.losses import LossOptions, find_loss
from tailwise.models.classifier import BACKBONES, known_backbone
from tailwise.recipes.mixing_config import ContextRichOversampling, Mixing, NoMixing
from tailwise.recipes.sampling_config import BalancedBatches, InstanceSampling, Sampling
from tailwise.recipes.section import Epoch, Fraction, NonNegative, Positive, Section, Seed, Size
from tailwise.schedules import DeferredReweighting, PhasedProgressiveWeights, ProgressForm


def _check_name(name: str) -> str:
    """A name is a path below the runs, so it may lead nowhere else."""
    if not re.fullmatch(r"\w[\w.+-]*(/\w[\w.+-]*)*", name):
        raise ValueError(f"a name is made of letters, digits, '_', '.', '+' and '-', parts joined by '/', got {name!r}")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
PER_CLASS = ("weight",)
SET_BY_THE_TRAINER = ("class_counts", "ignore_index", "reduction")


def _check_backbone(name: str) -> str:
    if not known_backbone(name):
        raise ValueError(f"there is no {name!r}; there are {', '.join(BACKBONES)} and timm/NAME")
    return name


class ModelConfig(Section):
    """Backbone and head."""

    name: Annotated[str, AfterValidator(_check_backbone)] = Field(description="a network of ours, or timm/NAME")
    widths: list[Size] | None = Field(None, min_length=1, description="hidden layers of an mlp")
    head: Literal["linear", "cosine"] = "linear"
    scale: Positive | None = Field(None, description="factor of a cosine head")
    pretrained: bool = Field(False, description="start from the weights that timm has")
    normalize: bool = Field(True, description="standardise inputs; otherwise images are only brought to 0..1")


class LossConfig(BaseModel):
    """A registered loss and its own arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _check_arguments(cls, given: Any) -> Any:
        """Hold the arguments to the types of the loss's own signature, so that a recipe's typo is found at once."""
        if not isinstance(given, dict) or not isinstance(given.get("name"), str):
            return given
        entry = find_loss(given["name"])
        hints = get_type_hints(entry.cls.__init__) | get_type_hints(LossOptions)
        allowed = [key for key in entry.arguments if key not in SET_BY_THE_TRAINER]
        checked: dict[str, Any] = {"name": entry.name}
        for key, value in given.items():
            if key == "name":
                continue
            if key not in allowed:
                raise ValueError(f"{entry.name} has no setting {key!r}; it has {', '.join(allowed)}")
            adapter: TypeAdapter[Any] = TypeAdapter(hints[key], config=ConfigDict(arbitrary_types_allowed=True))
            try:
                checked[key] = adapter.validate_python(value)
            except ValidationError as error:
                wanted = "give one number per class" if key in PER_CLASS else error.errors()[0]["msg"]
                raise ValueError(f"{key}: {wanted}, got {value!r}") from None
        return checked

    @property
    def arguments(self) -> dict[str, Any]:
        """The loss's own keyword arguments."""
        return dict(self.model_extra or {})


class EqualWeights(Section):
    """No class weights."""

    name: Literal["none"] = "none"

    def schedule(self, class_counts: ClassCounts) -> None:
        """Nothing to schedule."""


class DeferredWeights(Section):
    """Effective-number weights from epoch ``start`` on (DRW)."""

    name: Literal["deferred"] = "deferred"
    start: Epoch
    beta: Fraction = 0.9999

    def schedule(self, class_counts: ClassCounts) -> DeferredReweighting:
        """The weights of each epoch."""
        return DeferredReweighting(class_counts, self.start, self.beta)


class PhasedWeights(Section):
    """From equal to inverse-frequency weights between two epochs (PPW)."""

    name: Literal["phased"] = "phased"
    start: Epoch
    end: Epoch
    power: Positive = 5.0
    form: ProgressForm = "power"

    def schedule(self, class_counts: ClassCounts) -> PhasedProgressiveWeights:
        """The weights of each epoch."""
        return PhasedProgressiveWeights(class_counts, self.start, self.end, self.power, self.form)


ClassWeights: TypeAlias = Annotated[EqualWeights | DeferredWeights | PhasedWeights, Field(discriminator="name")]


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


class TrainingConfig(Section):
    """The loop."""

    epochs: Size
    batch_size: Size = 128
    clip_norm: Positive | None = Field(None, description="largest gradient norm")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    evaluate_every: Epoch = Field(0, description="test every so many epochs; 0 tests after the last alone")


class Recipe(Section):
    """One training run, resolved: nothing else decides its result, up to the device and the number of threads."""

    recipe: Name = Field(description="name of the recipe, the folder of its runs")
    method: Name = Field(description="name of the method, the folder of its runs within the recipe's")
    seed: Seed = 0
    data: DataConfig
    model: ModelConfig
    loss: LossConfig
    class_weights: ClassWeights = EqualWeights()
    sampling: Sampling = InstanceSampling()
    mixing: Mixing = NoMixing()
    optimizer: Optimizer = AdamConfig()
    learning_rate: LearningRateConfig = LearningRateConfig()
    training: TrainingConfig

    @model_validator(mode="after")
    def _check_schedules(self) -> Recipe:
        """Refuse what would begin after the training has ended."""
        rate = self.learning_rate
        begins = {
            "learning_rate.warmup_epochs": rate.warmup_epochs,
            "learning_rate.milestones": max(rate.milestones, default=0),
            "learning_rate.start": rate.start or 0,
        }
        for name in ("class_weights", "sampling", "mixing"):
            begins[f"{name}.start"] = getattr(getattr(self, name), "start", 0)
        for name, epoch in begins.items():
            if epoch >= self.training.epochs:
                raise ValueError(
                    f"{name} is {epoch}, past the training of {self.training.epochs} epochs (they count from 0); "
                    "lower it or train for longer"
                )
        if isinstance(self.mixing, ContextRichOversampling):
            self.mixing.check_epochs(self.training.epochs)
        if isinstance(self.sampling, BalancedBatches):
            self.sampling.check_batch_size(self.training.batch_size)
        return self
