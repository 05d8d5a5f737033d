"""A network trained on arrays, and nothing left on the disk: what the scikit-learn estimator fits.

The runs of the command line write a checkpoint in every epoch and know their network by name; an estimator is fitted
hundreds of times in a search, and takes sample weights and any module. So it has a loop of its own, of the same parts.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import model_validator
from torch import Tensor, nn

from tailwise.data.arrays import Arrays
from tailwise.data.loader import epoch_order
from tailwise.integrations._epochs import begin_epoch
from tailwise.losses import ClassificationLoss
from tailwise.models.classifier import Classifier, Standardize, build_classifier
from tailwise.recipes.config import ClassWeights, ModelConfig
from tailwise.recipes.loss_config import LossConfig
from tailwise.recipes.optimizer_config import LearningRateConfig, Optimizer, refuse_late
from tailwise.recipes.sampling_config import BalancedBatches, Sampling
from tailwise.recipes.section import Fraction, Positive, Section, Size
from tailwise.training.optimization import build_optimizer, learning_rate_factor

ModelFactory = Callable[[tuple[int, ...], int], nn.Module]
"""(shape of a sample, number of classes) -> a new network, from standardised samples to logits."""
PREDICTED_AT_ONCE = 1000


class Settings(Section):
    """How a network is trained on arrays; the sections are those of a recipe."""

    loss: LossConfig
    model: ModelConfig | None
    """None where the caller has a network of its own."""
    sampling: Sampling
    reweighting: ClassWeights
    optimizer: Optimizer
    learning_rate: LearningRateConfig
    epochs: Size
    batch_size: Size
    clip_norm: Positive | None
    validation_fraction: Fraction

    @model_validator(mode="after")
    def _check_schedules(self) -> Settings:
        begins = {**self.learning_rate.begins, "loss.start": self.loss.arguments.get("start", 0)}
        for name in ("sampling", "reweighting"):
            begins[f"{name}.start"] = getattr(getattr(self, name), "start", 0)
        refuse_late(begins, self.epochs)
        if isinstance(self.sampling, BalancedBatches):
            self.sampling.check_batch_size(self.batch_size)
        if self.reweighting.name != "none" and "weight" in self.loss.arguments:
            raise ValueError("reweighting sets the weights of the loss; leave out its own weight, or class_weight")
        return self


@dataclass(frozen=True)
class Training:
    """Everything that one fit needs beside the network.

    sample_weight: (N,) positive, of mean 1, or None.
    on_epoch: called with the number of epochs done and the mean loss of the last.
    """

    settings: Settings
    samples: Arrays
    sample_weight: Tensor | None
    loss: ClassificationLoss
    seed: int
    device: str
    on_epoch: Callable[[int, float], None]

    def run(self, network: nn.Module) -> list[float]:
        """Train the network for all epochs; the mean loss of each.

        Raises:
            ValueError: the loss is no longer finite, or a section does not fit the samples.
        """
        settings, counts = self.settings, self.samples.counts
        schedule = settings.reweighting.schedule(counts)
        draw = settings.sampling.draw(self.samples, self.seed, settings.epochs)
        loss = self.loss.to(self.device)
        network.to(self.device)
        optimizer = build_optimizer(settings.optimizer, [*network.parameters(), *loss.parameters()], self.device)
        inputs, targets = (
            torch.from_numpy(part).to(self.device) for part in (self.samples.inputs, self.samples.targets)
        )
        weight = None if self.sample_weight is None else self.sample_weight.to(self.device)
        losses = []
        for epoch in range(settings.epochs):
            factor = learning_rate_factor(settings.learning_rate, epoch, settings.epochs)
            for group in optimizer.param_groups:
                group["lr"] = settings.optimizer.lr * factor
            begin_epoch(loss, epoch, schedule, self.device)
            network.train()
            loss.train()
            total = torch.zeros((), device=self.device)
            order = epoch_order(len(targets), self.seed, epoch, draw).to(self.device)
            batches = torch.split(order, settings.batch_size)
            for rows in batches:
                optimizer.zero_grad()
                value = _loss_of(loss, network, inputs[rows], targets[rows], None if weight is None else weight[rows])
                value.backward()  # type: ignore[no-untyped-call]
                if settings.clip_norm is not None:
                    nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
                optimizer.step()
                total += value.detach()
            losses.append(float(total) / len(batches))
            if not math.isfinite(losses[-1]):
                raise ValueError(
                    f"the loss became {losses[-1]} in epoch {epoch + 1}; lower lr (now {settings.optimizer.lr:g}) or "
                    "set clip_norm"
                )
            self.on_epoch(epoch + 1, losses[-1])
        loss.eval()
        network.eval()
        return losses


def _loss_of(
    loss: ClassificationLoss, network: nn.Module, inputs: Tensor, targets: Tensor, weight: Tensor | None
) -> Tensor:
    """The mean loss of a batch; with weights, of samples that count so many times."""
    if loss.needs_features:
        logits, features = network(inputs, with_features=True)
        value: Tensor = loss(logits, targets, features)
    else:
        logits = network(inputs)
        value = loss(logits, targets)
    if weight is None:
        return value
    return (weight * value).sum() / loss.divisor(targets, value.dtype)


def build_network(samples: Arrays, model: ModelConfig | ModelFactory) -> nn.Module:
    """A new network for the samples, which standardises them itself.

    Raises:
        ValueError: the model does not fit the samples, or what it makes is no network from samples to logits.
    """
    inputs = torch.from_numpy(samples.inputs)
    if isinstance(model, ModelConfig):
        return build_classifier(
            inputs,
            samples.num_classes,
            model=model.name,
            widths=None if model.widths is None else tuple(model.widths),
            head=model.head,
            scale=model.scale,
            normalize=model.normalize,
            pretrained=model.pretrained,
        )
    made = model(samples.sample_shape, samples.num_classes)
    if not isinstance(made, nn.Module):
        raise ValueError(
            f"model must make a torch.nn.Module of (shape of a sample, number of classes), got {type(made).__name__}"
        )
    network = nn.Sequential(Standardize.fitted(inputs), made)
    with torch.no_grad():
        logits = network.eval()(inputs[:1])
    if not isinstance(logits, Tensor) or logits.shape != (1, samples.num_classes):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the network of model must give logits (B, {samples.num_classes}), one for each class; for one sample it "
            f"gave {given}"
        )
    return network


def predicted_logits(network: nn.Module, loss: ClassificationLoss, inputs: Tensor, device: str) -> Tensor:
    """(N, C) float64 on the CPU, whose softmax are probabilities.

    A table is predicted in double precision by a network of ours: in single precision the last digits of a sample's
    logits depend on how many samples are predicted with it.
    """
    network = network.to(device).eval()
    if isinstance(network, Classifier) and inputs.ndim == 2 and device == "cpu":
        network, inputs = copy.deepcopy(network).double(), inputs.double()
    logits = []
    with torch.no_grad():
        for batch in torch.split(inputs, PREDICTED_AT_ONCE):
            logits.append(loss.inference_logits(network(batch.to(device))).cpu())
    return torch.cat(logits).double()
