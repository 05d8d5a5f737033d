"""The ``stage2`` section of a recipe: how the head is balanced, or experts are routed, after the training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator
from torch import Tensor, nn

from tailwise.counts import ClassCounts
from tailwise.recipes.loss_config import LossConfig
from tailwise.recipes.optimizer_config import LearningRateConfig, Optimizer, refuse_late
from tailwise.recipes.sampling_config import InstanceSampling, RebalancedSampling, Sampling
from tailwise.recipes.section import Fraction, NonNegative, Positive, Section, Size
from tailwise.two_stage import LearnableWeightScaling, Metric, reset_head_
from tailwise.weights import effective_number_weights


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
        refuse_late(begins, self.epochs)
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
