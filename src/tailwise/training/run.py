"""The objects of one run, and its loop: epochs of one stage or two, then the test."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric.wrappers import _FabricOptimizer
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from tailwise.data.arrays import Arrays
from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.steps import augment, check_steps
from tailwise.data.loader import Batches, PreparedData
from tailwise.errors import InputError, StoppedError, TrainingError
from tailwise.losses import ClassificationLoss, MultiExpertLoss
from tailwise.models.ride import MultiExpertResNet
from tailwise.recipes.config import ModelConfig, Recipe
from tailwise.recipes.contrastive_config import BalancedContrast
from tailwise.recipes.loss_config import LossConfig
from tailwise.recipes.optimizer_config import LearningRateConfig, Optimizer
from tailwise.recipes.stage2_config import ClassMeans, HeadTraining, Routing, SecondTraining, WeightBalancing
from tailwise.routing import ExpertRouter
from tailwise.sampling import Draw, epoch_generator
from tailwise.training.checkpoint import Stateful, read_checkpoint, save_checkpoint
from tailwise.training.contrast import Contrast
from tailwise.training.evaluation import Evaluation, Predictions
from tailwise.training.optimization import build_optimizer, learning_rate_factor
from tailwise.training.processes import Processes, WholeModule, WholeOptimizer, own_part
from tailwise.training.run_directory import RunDirectory
from tailwise.training.two_stage import FeatureBatches, MaxNorm, RouterTraining, finished_head
from tailwise.two_stage import FrozenBackbone, require_samples

EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class _Stage:
    """Which epochs of a run belong to a stage, and what they draw their batches and learning rates from."""

    number: int
    first: int
    epochs: int
    seed: int
    learning_rate: LearningRateConfig
    batches: Batches | FeatureBatches

    @property
    def section(self) -> str:
        """Where in the recipe its settings stand."""
        return "" if self.number == 1 else f"stage{self.number}."


@dataclass(frozen=True)
class _SecondStage:
    """What stage 2 trains with beside its head or router."""

    seed: int
    draw: Draw | None
    loss: ClassificationLoss | None
    """Of a head; a router has its own."""
    class_weights: Callable[[int], Tensor] | None
    same_inputs: bool
    """Whether a sample is the same in every epoch: not augmented, and not of a list, whose images are cropped anew."""


class Run:
    """The objects of one run while it lasts; those that train are the ones of its present stage."""

    def __init__(
        self, recipe: Recipe, directory: RunDirectory, processes: Processes, data: PreparedData, compiled: bool
    ) -> None:
        self.recipe = recipe
        self.directory = directory
        self.processes = processes
        self.fabric = fabric = processes.fabric
        self.class_counts = data.train.arrays.counts
        self.class_names = data.train.arrays.class_names
        self.sample_shape = data.train.arrays.sample_shape
        self.feature_names = data.train.arrays.feature_names
        share = processes.share
        self.train_batches = Batches(data.train.arrays, recipe.training.batch_size, fabric.device, share)
        self.test_batches, self.validation_batches = (
            None if chosen is None else Batches(chosen.arrays, EVALUATION_BATCH, fabric.device, share)
            for chosen in (data.test, data.validation)
        )
        torch.manual_seed(recipe.seed)
        with _named("model"):
            fitted = torch.from_numpy(data.train.arrays.fitting_inputs())
            classifier = recipe.classifier(fitted, len(self.class_names), pretrained=True)
        self.dtype = torch.float64 if recipe.training.precision == "64-true" else torch.float32
        self.classifier = classifier.to(self.dtype)
        self.evaluation = Evaluation(self.classifier, processes, self.dtype)
        with _named("loss"):
            self.loss: ClassificationLoss | MultiExpertLoss = self._built_loss(recipe.loss, recipe.training.epochs)
        if recipe.experts is not None:
            with _named("experts"):
                self.loss = recipe.experts.criterion(self.loss, self.class_counts).to(fabric.device)
        with _named("class_weights"):
            self.class_weights: Callable[[int], Tensor] | None = recipe.class_weights.schedule(self.class_counts)
            if self.class_weights is not None and "weight" in recipe.loss.arguments:
                raise ValueError("the schedule sets the weights of the loss; leave out its own weight")
        with _named("sampling"):
            self.draw = recipe.sampling.draw(data.train.arrays, recipe.seed, recipe.training.epochs)
        with _named("mixing"):
            self.mix = recipe.mixing.mix(data.train.arrays, fabric.device, recipe.training.epochs)
            self.partners = recipe.mixing.partners(data.train.arrays, recipe.seed, recipe.training.epochs)
        self._set_class_weights(0)
        self.contrast = self._contrast(data)
        if processes.in_parts and any(True for _ in self.loss.parameters()):
            raise InputError(f"loss: {recipe.loss.name} learns as well, which --parallel fsdp does not; take ddp")
        self.num_parameters = classifier.num_parameters
        self.compile = compiled
        self.stage = _Stage(1, 0, recipe.training.epochs, recipe.seed, recipe.learning_rate, self.train_batches)
        self.max_norm: MaxNorm | None = None
        self.router: ExpertRouter | None = None
        with _named("stage2"):
            if isinstance(recipe.stage2, ClassMeans):
                require_samples(self.class_counts)
            self.second = self._second_stage(data) if isinstance(recipe.stage2, SecondTraining) else None

    def begin(self) -> None:
        """Set up for the first stage, in all processes together; nothing before this waits for another one."""
        self._set_up(self.classifier, self._first_optimizer)

    def _first_optimizer(self) -> torch.optim.Optimizer:
        # A loss may learn as well, the strength of its adjustment.
        learned = [*self.classifier.parameters(), *self.loss.parameters()]
        if self.contrast is not None:
            learned += self.contrast.branch.parameters()
        return self._optimizer(self.recipe.optimizer, learned)

    def _optimizer(self, config: Optimizer, parameters: ParamsT) -> torch.optim.Optimizer:
        training = self.recipe.training
        # A fused step would take the scale of float16 off the gradients itself, when they have been clipped already.
        fused = training.precision != "16-mixed" or training.clip_norm is None
        return build_optimizer(config, parameters, self.fabric.device.type, fused)

    def _built_loss(self, config: LossConfig, epochs: int) -> ClassificationLoss:
        loss = config.build(self.class_counts, epochs)
        _check_fits(loss, config.name, self.recipe.model)
        return loss.to(self.fabric.device)

    def _contrast(self, data: PreparedData) -> Contrast | None:
        config = self.recipe.contrastive
        if not isinstance(config, BalancedContrast):
            return None
        steps = self.recipe.data.augmentation if config.augmentation is None else config.augmentation
        with _named("contrastive"):
            check_steps(steps, data.train.arrays.sample_shape)
            branch = config.branch(self.class_counts, self._head_weight().shape[1])
        return Contrast(branch.to(self.fabric.device, self.dtype), config.factor, steps)

    def _set_up(self, network: nn.Module, optimizer: Callable[[], torch.optim.Optimizer]) -> None:
        """Train ``network`` from here on, by an optimiser that is made when its parameters are where they are to be."""
        if self.compile:
            # The last batch of an epoch may be smaller: a second graph is faster than one for any size.
            mode = "reduce-overhead" if self.fabric.device.type == "cuda" else "default"
            network.compile(mode=mode, dynamic=False)
        self.network = self.fabric.setup_module(network)
        self.optimizer = _the_one(self.fabric.setup_optimizers(optimizer()))
        self.learning_rates = [group["lr"] for group in self.optimizer.param_groups]

    def _set_class_weights(self, epoch: int) -> None:
        if self.class_weights is not None:
            self.loss.weight = self.class_weights(epoch).to(self.fabric.device, torch.float32)

    def _second_stage(self, data: PreparedData) -> _SecondStage:
        """What stage 2 will train with, made before stage 1 so that what is wrong with it is found at once."""
        config = self.recipe.stage2
        assert isinstance(config, SecondTraining)
        # A stream of its own: not the order and the images of the first epochs of stage 1 once more.
        seed = int(np.random.SeedSequence((self.recipe.seed, 2)).generate_state(1, np.uint32)[0])
        draw = config.sampling.draw(data.train.arrays, seed, config.epochs)
        same_inputs = isinstance(data.train.arrays, Arrays) and not self.recipe.data.augmentation
        if not isinstance(config, HeadTraining):
            return _SecondStage(seed, draw, None, None, same_inputs)
        return _SecondStage(
            seed, draw, self._loss_of_head(config), config.class_weights(self.class_counts), same_inputs
        )

    def _loss_of_head(self, config: HeadTraining) -> ClassificationLoss:
        """The loss of stage 2, if it fits what stage 1 leaves."""
        loss = self._built_loss(config.criterion(), config.epochs)
        if self.loss.for_cosines and not loss.for_cosines:
            raise ValueError(
                f"{config.criterion().name} does not scale its logits, and the cosines of {self.recipe.loss.name} "
                f"are not scaled; set stage2.loss.name to {self.recipe.loss.name} or take ncm"
            )
        if loss.needs_features:
            name = config.criterion().name
            raise ValueError(f"{name} asks for features, which the head alone does not give; take another loss")
        return loss

    def _begin_stage2(self) -> None:
        """Freeze the backbone, and train the head or a router alone from here on."""
        config, second = self.recipe.stage2, self.second
        assert isinstance(config, SecondTraining)
        assert second is not None
        optimizer = config.optimizer or self.recipe.optimizer
        batches: Batches | FeatureBatches = self.train_batches
        network: nn.Module
        if isinstance(config, HeadTraining):
            network, groups, batches = self._head_training(config, second, optimizer.lr)
        else:
            assert isinstance(config, Routing)
            network = self._router_training(config)
            groups = [{"params": list(network.router.parameters()), "lr": optimizer.lr}]
        self.class_weights, self.draw, self.mix, self.partners = second.class_weights, second.draw, None, None
        self.contrast = None
        self._set_class_weights(0)
        self._set_up(network, lambda: self._optimizer(optimizer, groups))
        first = self.recipe.training.epochs
        self.stage = _Stage(2, first, config.epochs, second.seed, config.learning_rate, batches)

    def _head_training(
        self, config: HeadTraining, second: _SecondStage, lr: float
    ) -> tuple[nn.Module, list[dict[str, Any]], Batches | FeatureBatches]:
        """What trains the head: a network, the parameters to train, and batches of what the network takes."""
        assert second.loss is not None
        with _named("stage2"):
            head = self.classifier.head = config.begun(self.classifier.head).to(self.fabric.device)
            if isinstance(config, WeightBalancing):
                self.max_norm = MaxNorm(head, config.threshold)
        self.loss = second.loss
        groups = config.parameter_groups(head, lr)
        if learned := list(self.loss.parameters()):
            groups.append({"params": learned, "lr": lr})
        backbone = nn.Sequential(self.classifier.standardize, self.classifier.backbone)
        frozen = FrozenBackbone(backbone, head, config.shift_batch_norm)
        if not (frozen.constant and second.same_inputs):
            return frozen, groups, self.train_batches
        features = FeatureBatches(
            self._training_features,
            self.class_names,
            self.recipe.training.batch_size,
            self.fabric.device,
            self.dtype,
            self.processes.share,
        )
        return head, groups, features

    def _router_training(self, config: Routing) -> RouterTraining:
        """What gives the loss of a new router."""
        backbone = self.classifier.backbone
        assert isinstance(backbone, MultiExpertResNet)
        self.router = ExpertRouter(
            backbone.num_experts, backbone.num_features, len(self.class_names), config.positive_weight
        ).to(self.fabric.device, self.dtype)
        self.num_parameters += sum(parameter.numel() for parameter in self.router.parameters())
        return RouterTraining(self.classifier, self.router, self.loss.inference_logits, self.processes.share)

    def _training_features(self) -> tuple[Tensor, Tensor]:
        """Features (N, F) of the training samples, not augmented, and targets (N,), on the CPU."""
        return self.evaluation.outputs(self.train_batches, self.classifier.features)

    @property
    def _whole_classifier(self) -> Stateful:
        return WholeModule(self.classifier) if self.processes.in_parts else self.classifier

    @property
    def _whole_optimizer(self) -> Stateful:
        optimizer = self.optimizer.optimizer
        return WholeOptimizer(self.classifier, optimizer) if self.processes.in_parts else optimizer

    @property
    def _parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds; the precision has the scale of float16 gradients."""
        parts: dict[str, Stateful] = {
            "classifier": self._whole_classifier,
            "loss": self.loss,
            "optimizer": self._whole_optimizer,
            "precision": self.fabric.strategy.precision,
        }
        branch = None if self.contrast is None else self.contrast.branch
        further: dict[str, Stateful | None] = {
            "max_norm": self.max_norm,
            "router": self.router,
            "contrastive": branch,
        }
        return parts | {name: part for name, part in further.items() if part is not None}

    def fit(self, on_epoch: Callable[[dict[str, Any]], None]) -> None:
        """Train from the last checkpoint, or from the start, to the last epoch of the last stage."""
        first = self._resume()
        if self.processes.first:
            self.directory.keep_metrics(first)
        training = self.recipe.training
        for epoch in range(first, self.recipe.total_epochs):
            if epoch == training.epochs:
                self._begin_stage2()
            began = time.perf_counter()
            line: dict[str, Any] = {"epoch": epoch + 1, "stage": self.stage.number}
            line["train/loss"] = self._train_epoch(epoch)
            line |= {"lr": self.optimizer.param_groups[0]["lr"], "seconds": time.perf_counter() - began}
            every = training.evaluate_every
            if every and (epoch + 1) % every == 0 and self.test_batches is not None:
                line |= self._predictions(self.test_batches).metrics("test", self.class_counts)
            states = {name: part.state_dict() for name, part in self._parts.items()}
            if self.processes.first:
                directory = self.directory
                directory.append_metrics(line)
                save_checkpoint(directory.checkpoint, epoch + 1, self.stage.number, states, directory.synced)
                on_epoch(line)

    def _resume(self) -> int:
        """Go on after the last checkpoint; how many epochs there were, 0 without one."""
        file, saved, digest = self.directory.checkpoint, None, ""
        with self.processes.agreed():
            if file.exists():
                saved = read_checkpoint(file)
                if self.processes.several:
                    digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self.processes.same(digest, f"not all processes see the same {file}; put --out where all machines see it")
        if saved is None:
            return 0
        if saved.stage == 2:
            self._begin_stage2()
        saved.restore(self._parts)
        return saved.epoch

    def _train_epoch(self, epoch: int) -> float:
        """Mean loss of the epoch's batches; the loss is read from the device once."""
        stage = self.stage
        epoch -= stage.first
        factor = learning_rate_factor(stage.learning_rate, epoch, stage.epochs)
        for group, rate in zip(self.optimizer.param_groups, self.learning_rates, strict=True):
            group["lr"] = rate * factor
        self._set_class_weights(epoch)
        if self.router is None and callable(set_epoch := getattr(self.loss, "set_epoch", None)):
            set_epoch(epoch)
        self.network.train()
        self.loss.train()
        total = torch.zeros((), device=self.fabric.device)
        batches = 0
        mixing_generator = epoch_generator(stage.seed, epoch, "mixing")
        share = self.processes.share
        for inputs, targets in stage.batches.shuffled(stage.seed, epoch, self.draw, self.partners):
            generator = batch_generator(stage.seed, epoch, batches)
            count = len(targets)
            images, inputs = inputs, augment(inputs, self.recipe.data.augmentation, generator, share, count)
            if self.contrast is not None:
                inputs = self.contrast.with_views(inputs, images, generator, share, count)
            if self.mix is not None:
                inputs, targets = self.mix(share.gathered(inputs, count), targets, epoch, mixing_generator)
                inputs = inputs[share.rows(len(targets))]
            self.optimizer.zero_grad()
            with self.processes.forward(count, stage.seed, epoch, batches):
                outputs = self._outputs(inputs, targets)
            loss = self._loss_of(outputs, targets)
            self.fabric.backward(loss)
            if self.recipe.training.clip_norm is not None:
                # What is not finite is told at the end of the epoch; of float16 the scaler leaves such a step out.
                largest = self.recipe.training.clip_norm
                self.fabric.clip_gradients(self.network, self.optimizer, max_norm=largest, error_if_nonfinite=False)
            self.optimizer.step()
            if self.max_norm is not None:
                self.max_norm()
            total += loss.detach()
            batches += 1
        mean = float(total) / batches
        if not (self._weights_are_finite() and math.isfinite(mean)):
            if not self.processes.first:
                raise StoppedError
            what = "a weight became infinite" if math.isfinite(mean) else f"the loss became {mean}"
            clip = self.recipe.training.clip_norm
            clipping = "set training.clip_norm" if clip is None else f"training.clip_norm (now {clip:g})"
            raise TrainingError(
                f"{what} in epoch {stage.first + epoch + 1}; lower {stage.section}optimizer.lr (now "
                f"{self.learning_rates[0]}) or {clipping}, with another --out; the state before is kept"
            )
        return mean

    def _weights_are_finite(self) -> bool:
        """After the last step, whose result no loss of the epoch has seen; read from the device once."""
        trained = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        return self.processes.all_say(torch.stack([own_part(weight).isfinite().all() for weight in trained]).all())

    def _outputs(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        """What the loss looks at of the whole batch, logits first, of a share of its inputs; or a router's loss."""
        if self.router is not None:
            return (self.network(inputs, targets),)
        if isinstance(self.loss, MultiExpertLoss):
            outputs = self.network(inputs, with_experts=True)
        elif self.loss.needs_features or self.contrast is not None:
            outputs = self.network(inputs, with_features=True)
        else:
            outputs = (self.network(inputs),)
        share, count = self.processes.share, len(targets)
        if self.contrast is None:
            return tuple(share.gathered(output, count) for output in outputs)
        views = (output.unflatten(0, (3, -1)).transpose(0, 1) for output in outputs)
        return tuple(share.gathered(output, count).transpose(0, 1).flatten(0, 1) for output in views)

    def _loss_of(self, outputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        first, *features = outputs
        if self.router is not None:
            return first
        loss: Tensor
        if self.contrast is None:
            loss = self.loss(first, targets, *features)
            return loss
        # The batch as the loss sees it, and after it the two views of the same that are contrasted.
        size = len(targets)
        further = (features[0][:size],) if self.loss.needs_features else ()
        loss = self.loss(first[:size], targets, *further)
        return loss + self.contrast.loss(features[0], targets, self._head_weight())

    def _head_weight(self) -> Tensor:
        """(C, F) of the one head."""
        weight = self.classifier.head.weight
        assert isinstance(weight, Tensor)
        return weight

    def _predictions(self, batches: Batches) -> Predictions:
        return self.evaluation.predictions(batches, self.loss, self.router)

    def finish(self, command: str) -> dict[str, Any]:
        """Test the last weights, if the run is to be tested, and write what it leaves."""
        began = time.perf_counter()
        found = self._finish_stage2()
        predictions: dict[str, NDArray[Any]] = {}
        metrics: dict[str, float] = {}
        if self.validation_batches is not None:
            held_out = self._predictions(self.validation_batches)
            predictions |= {
                "validation_logits": held_out.logits.float().numpy(),
                "validation_targets": held_out.targets.numpy(),
            }
            if self.test_batches is None:
                metrics = held_out.metrics("validation", self.class_counts)
        if self.test_batches is not None:
            tested = self._predictions(self.test_batches)
            predictions |= {"logits": tested.logits.float().numpy(), "targets": tested.targets.numpy()}
            metrics = tested.metrics("test", self.class_counts)
            if tested.experts is not None:
                predictions["experts"] = tested.experts.numpy()
        weights = self._whole_classifier.state_dict()
        if not self.processes.first:
            return {}
        self.directory.write_arrays("predictions.npz", **predictions)
        self.directory.write_weights(weights)
        if self.router is not None:
            self.directory.write_weights(self.router.state_dict(), "router.safetensors")
        summary = {
            "recipe": self.recipe.recipe,
            "loss": self.recipe.method,
            "seed": self.recipe.seed,
            "command": command,
            "model": self.recipe.model.name,
            "num_parameters": self.num_parameters,
            "epochs": self.recipe.training.epochs,
            "class_counts": list(self.class_counts),
            "class_names": list(self.class_names),
            "input_shape": list(self.sample_shape),
            "data": self.train_batches.residence,
            "metrics": metrics,
        }
        if self.feature_names is not None:
            summary["feature_names"] = list(self.feature_names)
        if self.recipe.experts is not None:
            summary["experts"] = self.recipe.experts.number
        if self.recipe.stage2.name != "none":
            summary["stage2"] = {**self.recipe.stage2.model_dump(mode="json"), **found}
        trained = sum(json.loads(line)["seconds"] for line in self.directory.metrics())
        summary["seconds"] = trained + time.perf_counter() - began
        self.directory.write_summary(summary)
        return summary

    def _finish_stage2(self) -> dict[str, Any]:
        """Put the head that the recipe ends with into the classifier; what was found on the way."""

        def held_out() -> tuple[Tensor, Tensor]:
            assert self.validation_batches is not None  # the recipe is refused without
            predictions = self._predictions(self.validation_batches)
            return predictions.logits, predictions.targets

        stage2 = self.recipe.stage2
        self.classifier.head, found = finished_head(stage2, self.classifier.head, self._training_features, held_out)
        return found if self.max_norm is None else {**found, "radius": self.max_norm.radius}


def _the_one(optimizer: Any) -> _FabricOptimizer:
    """What Fabric returns of a single optimiser, though its types allow for several."""
    assert isinstance(optimizer, _FabricOptimizer)
    return optimizer


def _check_fits(loss: ClassificationLoss, name: str, model: ModelConfig) -> None:
    """Refuse a loss that the rest of the recipe makes meaningless."""
    if loss.for_cosines and model.head != "cosine":
        raise ValueError(f"{name} scales cosines, but the head is {model.head}; add --set model.head=cosine")
    if loss.for_cosines and model.scale not in (None, 1):
        raise ValueError(f"{name} scales cosines, but model.scale is {model.scale:g} already; set it to 1")


@contextmanager
def _named(section: str) -> Iterator[None]:
    """Name the recipe's section in the error of a part that it describes."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{section}: {error}") from error
