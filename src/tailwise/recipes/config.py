"""What a recipe can say: every field of a training run, checked when it is read."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from torch import Tensor, nn

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.losses import ClassificationLoss, LossOptions, MultiExpertLoss, find_loss
from tailwise.models.classifier import BACKBONES, known_backbone
from tailwise.recipes.mixing_config import ContextRichOversampling, Mixing, NoMixing
from tailwise.recipes.sampling_config import BalancedBatches, InstanceSampling, RebalancedSampling, Sampling
from tailwise.recipes.section import Epoch, Fraction, NonNegative, Positive, Section, Seed, Size
from tailwise.schedules import DeferredReweighting, PhasedProgressiveWeights, ProgressForm
from tailwise.two_stage import LearnableWeightScaling, Metric, reset_head_
from tailwise.weights import effective_number_weights


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


class ExpertsConfig(Section):
    """Several experts that share the first stage of a ResNet, and what keeps them diverse (RIDE)."""

    number: Size = 3
    reduced: bool = Field(True, description="24 and 48 channels in the experts' own stages instead of 32 and 64")
    diversity: NonNegative = 0.2
    temperature: Positive = 1.0
    reweight_factor: Fraction = Field(0.05, description="how much the temperatures differ between the classes")
    start: Epoch | None = Field(None, description="first epoch of the temperatures by class; null: never")

    def criterion(self, loss: ClassificationLoss, class_counts: ClassCounts) -> MultiExpertLoss:
        """The loss for each expert, with the diversity."""
        return MultiExpertLoss(
            loss, self.number, class_counts, self.diversity, self.temperature, self.reweight_factor, self.start
        )


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

    @property
    def begins(self) -> dict[str, int]:
        """The epochs that something begins at, by the field that says so."""
        return {
            "learning_rate.warmup_epochs": self.warmup_epochs,
            "learning_rate.milestones": max(self.milestones, default=0),
            "learning_rate.start": self.start or 0,
        }


class OneStage(Section):
    """No second stage."""

    name: Literal["none"] = "none"


class SecondTraining(Section):
    """A second stage that trains, on frozen features of augmented but unmixed samples."""

    uses_lengths: ClassVar[bool] = False
    """Whether it works on the lengths of the class weights, which a cosine head does not have."""

    epochs: Size = Field(10, description="of this stage; its schedules count from 0 again")
    optimizer: Optimizer | None = Field(None, description="by default that of the first stage, begun afresh")
    learning_rate: LearningRateConfig = LearningRateConfig(name="cosine")
    sampling: Sampling = InstanceSampling()

    @model_validator(mode="after")
    def _check_schedules(self) -> SecondTraining:
        begins = {**self.learning_rate.begins, "sampling.start": getattr(self.sampling, "start", 0)}
        if isinstance(loss := getattr(self, "loss", None), LossConfig):
            begins["loss.start"] = loss.arguments.get("start", 0)
        _refuse_late(begins, self.epochs)
        return self


class Routing(SecondTraining):
    """Gates that ask further experts for the samples that need them alone."""

    name: Literal["routing"] = "routing"

    epochs: Size = 5
    positive_weight: Positive = Field(20.0, description="of the samples that a further expert gets right")


class HeadTraining(SecondTraining):
    """One that trains the head alone."""

    shift_batch_norm: ClassVar[bool] = False

    @abstractmethod
    def criterion(self) -> LossConfig:
        """The loss of this stage."""

    def class_weights(self, class_counts: ClassCounts) -> Callable[[int], Tensor] | None:
        """The weights of each epoch, where the loss has some."""
        return None

    def begun(self, head: nn.Module) -> nn.Module:
        """The head to train, made of that of the first stage: by default the same, trained on."""
        return head

    def parameter_groups(self, head: nn.Module, lr: float) -> list[dict[str, Any]]:
        """What the optimiser trains, each part with its learning rate."""
        return [{"params": [parameter for parameter in head.parameters() if parameter.requires_grad], "lr": lr}]


class BalancedHeadTraining(HeadTraining):
    """One whose samples are balanced unless said otherwise, and whose loss is open."""

    sampling: Sampling = RebalancedSampling(name="class-balanced")
    loss: LossConfig = LossConfig(name="cross_entropy")

    def criterion(self) -> LossConfig:
        """As the recipe says."""
        return self.loss


class ClassifierRetraining(BalancedHeadTraining):
    """A new head (cRT)."""

    name: Literal["crt"] = "crt"

    def begun(self, head: nn.Module) -> nn.Module:
        """With new random weights."""
        reset_head_(head)
        return head


class WeightScaling(BalancedHeadTraining):
    """A factor for each class (LWS)."""

    name: Literal["lws"] = "lws"
    uses_lengths = True

    def begun(self, head: nn.Module) -> nn.Module:
        """The trained head as it is, scaled."""
        return LearnableWeightScaling(head)


class MiSLAS(BalancedHeadTraining):
    """The head and a factor for each class, with label-aware smoothing and shifted batch normalisation."""

    name: Literal["mislas"] = "mislas"
    shift_batch_norm = True
    uses_lengths = True

    loss: LossConfig = LossConfig(name="label_aware_smoothing")
    head_lr_factor: Positive = Field(0.2, description="the head's learning rate as a share of that of the factors")

    def begun(self, head: nn.Module) -> nn.Module:
        """The trained head, trained on and scaled."""
        return LearnableWeightScaling(head, train_head=True)

    def parameter_groups(self, head: nn.Module, lr: float) -> list[dict[str, Any]]:
        """The factors, and the head more slowly."""
        assert isinstance(head, LearnableWeightScaling)
        of_head = {"params": list(head.head.parameters()), "lr": lr * self.head_lr_factor}
        return [{"params": [head.scale], "lr": lr}, of_head]


class WeightBalancing(HeadTraining):
    """The head with class-balanced cross entropy, weight decay (the optimiser's) and MaxNorm."""

    name: Literal["weight-balancing"] = "weight-balancing"
    uses_lengths = True

    beta: Fraction = Field(0.9999, description="of the effective-number weights")
    threshold: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="radius of MaxNorm, from the shortest (0) to the longest (1) class weights of the first stage"
    )

    def criterion(self) -> LossConfig:
        """Cross entropy, to be weighted."""
        return LossConfig(name="cross_entropy")

    def class_weights(self, class_counts: ClassCounts) -> Callable[[int], Tensor]:
        """The same in every epoch."""
        weights = effective_number_weights(class_counts, self.beta)
        return lambda epoch: weights


class OverSmoothing(HeadTraining):
    """The head with labels smoothed until the true class is hardly ahead (LOS)."""

    name: Literal["over-smoothing"] = "over-smoothing"

    epochs: Size = 20
    label_smoothing: Fraction = 0.98

    def criterion(self) -> LossConfig:
        """Smoothed cross entropy."""
        return LossConfig.model_validate({"name": "cross_entropy", "label_smoothing": self.label_smoothing})


class TauNorm(Section):
    """Class weights of more equal length, without training (tau-normalisation)."""

    name: Literal["tau-norm"] = "tau-norm"
    uses_lengths: ClassVar[bool] = True

    tau: NonNegative | Literal["search"] = Field(1.0, description="or search: the best on the validation split")


class ClassMeans(Section):
    """The mean feature of each class for a head, without training (NCM)."""

    name: Literal["ncm"] = "ncm"
    metric: Metric = "cosine"

    @property
    def uses_lengths(self) -> bool:
        """Euclidean distances depend on them."""
        return self.metric == "euclidean"


Stage2: TypeAlias = Annotated[
    OneStage
    | ClassifierRetraining
    | WeightScaling
    | TauNorm
    | ClassMeans
    | MiSLAS
    | WeightBalancing
    | OverSmoothing
    | Routing,
    Field(discriminator="name"),
]


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
    experts: ExpertsConfig | None = None
    loss: LossConfig
    class_weights: ClassWeights = EqualWeights()
    sampling: Sampling = InstanceSampling()
    mixing: Mixing = NoMixing()
    optimizer: Optimizer = AdamConfig()
    learning_rate: LearningRateConfig = LearningRateConfig()
    training: TrainingConfig
    stage2: Stage2 = OneStage()

    @property
    def total_epochs(self) -> int:
        """Those of both stages."""
        return self.training.epochs + (self.stage2.epochs if isinstance(self.stage2, SecondTraining) else 0)

    @model_validator(mode="after")
    def _check_schedules(self) -> Recipe:
        """Refuse what would begin after the training has ended."""
        begins = {**self.learning_rate.begins, "loss.start": self.loss.arguments.get("start", 0)}
        for name in ("class_weights", "sampling", "mixing"):
            begins[f"{name}.start"] = getattr(getattr(self, name), "start", 0)
        if self.experts is not None:
            begins["experts.start"] = self.experts.start or 0
        _refuse_late(begins, self.training.epochs)
        if isinstance(self.mixing, ContextRichOversampling):
            self.mixing.check_epochs(self.training.epochs)
        for sampling in (self.sampling, getattr(self.stage2, "sampling", None)):
            if isinstance(sampling, BalancedBatches):
                sampling.check_batch_size(self.training.batch_size)
        return self

    @model_validator(mode="after")
    def _check_stage2(self) -> Recipe:
        """Refuse a second stage that the rest of the recipe has nothing for."""
        stage2 = self.stage2
        if isinstance(stage2, Routing):
            if self.experts is None or self.experts.number == 1:
                raise ValueError("stage2: routing chooses among several experts; set experts.number to 2 or more")
        elif self.experts is not None and not isinstance(stage2, OneStage):
            raise ValueError(
                f"stage2: {stage2.name} makes one head, but experts has {self.experts.number} heads; set stage2.name "
                "to none or routing, or leave experts out"
            )
        if self.model.head == "cosine" and not isinstance(stage2, OneStage) and stage2.uses_lengths:
            what = "ncm with the euclidean metric" if isinstance(stage2, ClassMeans) else stage2.name
            raise ValueError(
                f"stage2: {what} needs the lengths of the class weights, which a cosine head divides out; set "
                "model.head to linear, or stage2.name to crt or ncm"
            )
        if isinstance(stage2, TauNorm) and stage2.tau == "search" and self.data.validation_fraction == 0:
            raise ValueError(
                "stage2.tau is search, but there is no validation split to search on; add "
                "--set data.validation_fraction=0.1 or give a number"
            )
        return self


def _refuse_late(begins: dict[str, int], epochs: int) -> None:
    for name, epoch in begins.items():
        if epoch >= epochs:
            raise ValueError(
                f"{name} is {epoch}, past the training of {epochs} epochs (they count from 0); "
                "lower it or train for longer"
            )
