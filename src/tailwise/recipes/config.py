"""What a recipe can say: every field of a training run, checked when it is read."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)
from torch import Tensor

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.losses import ClassificationLoss, MultiExpertLoss
from tailwise.models.classifier import BACKBONES, Classifier, build_classifier, known_backbone
from tailwise.recipes.contrastive_config import BalancedContrast, Contrastive, NoContrast
from tailwise.recipes.logging_config import Logging
from tailwise.recipes.loss_config import LossConfig
from tailwise.recipes.mixing_config import ContextRichOversampling, Mixing, NoMixing
from tailwise.recipes.optimizer_config import AdamConfig, LearningRateConfig, Optimizer, refuse_late
from tailwise.recipes.sampling_config import BalancedBatches, InstanceSampling, Sampling
from tailwise.recipes.section import Epoch, Fraction, NonNegative, Positive, Section, Seed, Size, Width
from tailwise.recipes.stage2_config import ClassMeans, HeadTraining, OneStage, Routing, SecondTraining, Stage2, TauNorm
from tailwise.schedules import DeferredReweighting, PhasedProgressiveWeights, ProgressForm


def _check_name(name: str) -> str:
    """A name is a path below the runs, so it may lead nowhere else."""
    if not re.fullmatch(r"\w[\w.+-]*(/\w[\w.+-]*)*", name):
        raise ValueError(f"a name is made of letters, digits, '_', '.', '+' and '-', parts joined by '/', got {name!r}")
    return name


Name = Annotated[str, AfterValidator(_check_name)]


def _check_backbone(name: str) -> str:
    if not known_backbone(name):
        raise ValueError(f"there is no {name!r}; there are {', '.join(BACKBONES)} and timm/NAME")
    return name


class ModelConfig(Section):
    """Backbone and head."""

    name: Annotated[str, AfterValidator(_check_backbone)] = Field(description="a network of ours, or timm/NAME")
    widths: list[Width] | None = Field(None, min_length=1, max_length=100, description="hidden layers of an mlp")
    head: Literal["linear", "cosine"] = "linear"
    scale: Positive | None = Field(None, description="factor of a cosine head")
    pretrained: bool = Field(False, description="start from the weights that timm has")
    normalize: bool = Field(True, description="standardise inputs; otherwise images are only brought to 0..1")


class ExpertsConfig(Section):
    """Several experts that share the first stage of a ResNet, and what keeps them diverse (RIDE)."""

    number: Annotated[Size, Field(le=100)] = 3
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


class TrainingConfig(Section):
    """The loop."""

    epochs: Size
    batch_size: Size = 128
    clip_norm: Positive | None = Field(None, description="largest gradient norm")
    precision: Literal["32-true", "16-mixed", "bf16-mixed", "64-true"] = "32-true"
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
    contrastive: Contrastive = NoContrast()
    optimizer: Optimizer = AdamConfig()
    learning_rate: LearningRateConfig = LearningRateConfig()
    training: TrainingConfig
    stage2: Stage2 = OneStage()
    logging: Logging = Field(
        default_factory=list,
        exclude=True,  # where its figures are copied to makes no other run of it
        description="where the figures of the run are copied to while it trains",
    )

    @property
    def total_epochs(self) -> int:
        """Those of both stages."""
        return self.training.epochs + (self.stage2.epochs if isinstance(self.stage2, SecondTraining) else 0)

    def classifier(self, inputs: Tensor, num_classes: int, pretrained: bool) -> Classifier:
        """The network before training.

        Args:
            inputs: (N, H, W, channels) uint8 or (N, F) floating; their mean and standard deviation go into it.
            num_classes: C.
            pretrained: fetch the weights that the recipe starts from, where it does.

        Raises:
            ValueError: the network does not fit the inputs, or timm lacks it.
        """
        return build_classifier(
            inputs,
            num_classes,
            model=self.model.name,
            widths=None if self.model.widths is None else tuple(self.model.widths),
            head=self.model.head,
            scale=self.model.scale,
            normalize=self.model.normalize,
            pretrained=self.model.pretrained and pretrained,
            experts=None if self.experts is None else self.experts.number,
            reduced=self.experts is None or self.experts.reduced,
        )

    @property
    def last_loss(self) -> tuple[LossConfig, int]:
        """The loss that the head was last trained with, and the epochs of that training."""
        if isinstance(self.stage2, HeadTraining):
            return self.stage2.criterion(), self.stage2.epochs
        return self.loss, self.training.epochs

    @model_validator(mode="after")
    def _check_schedules(self) -> Recipe:
        """Refuse what would begin after the training has ended."""
        begins = {**self.learning_rate.begins, "loss.start": self.loss.arguments.get("start", 0)}
        for name in ("class_weights", "sampling", "mixing"):
            begins[f"{name}.start"] = getattr(getattr(self, name), "start", 0)
        if self.experts is not None:
            begins["experts.start"] = self.experts.start or 0
        refuse_late(begins, self.training.epochs)
        if isinstance(self.mixing, ContextRichOversampling):
            self.mixing.check_epochs(self.training.epochs)
        for sampling in (self.sampling, getattr(self.stage2, "sampling", None)):
            if isinstance(sampling, BalancedBatches):
                sampling.check_batch_size(self.training.batch_size)
        return self

    @model_validator(mode="after")
    def _check_contrastive(self) -> Recipe:
        """Refuse a contrastive branch beside what it does not fit."""
        if not isinstance(self.contrastive, BalancedContrast):
            return self
        if not isinstance(self.mixing, NoMixing):
            raise ValueError(
                f"contrastive: {self.contrastive.name} compares samples of one class each, but mixing is "
                f"{self.mixing.name}; leave one of the two out"
            )
        if self.experts is not None:
            raise ValueError(f"contrastive: {self.contrastive.name} is for one head; leave experts out")
        if not (self.data.augmentation or self.contrastive.augmentation):
            raise ValueError(
                f"contrastive: {self.contrastive.name} compares two views of a sample, which without augmentation are "
                "the same; add data.augmentation or contrastive.augmentation"
            )
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
