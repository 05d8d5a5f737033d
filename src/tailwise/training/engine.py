"""Train one classifier from one recipe, and leave a run directory."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.steps import augment
from tailwise.data.loader import Batches, PreparedData, prepare
from tailwise.errors import InputError
from tailwise.losses import ClassificationLoss, build_loss, find_loss
from tailwise.metrics import classification_report
from tailwise.models.classifier import Classifier, build_classifier
from tailwise.recipes.config import Recipe
from tailwise.sampling import epoch_generator
from tailwise.training.checkpoint import Stateful, load_checkpoint, save_checkpoint
from tailwise.training.memory import keep_freed_memory
from tailwise.training.optimization import build_optimizer, learning_rate_factor
from tailwise.training.run_directory import RunDirectory

Device = Literal["auto", "cpu", "cuda"]
EVALUATION_BATCH = 1000


class TrainingError(RuntimeError):
    """Training cannot go on although the recipe is well-formed; the message is one sentence."""


def _ignore(line: dict[str, Any]) -> None:
    """The default listener."""


@dataclass(frozen=True)
class RunOptions:
    """What of a run does not change its result, up to rounding: where it reads, computes and reports.

    data_root: folder of data sets.
    device: "auto" takes CUDA where there is one.
    threads: of the CPU; by default as many as torch takes.
    resume: go on with an interrupted run.
    compile: train the network through ``torch.compile``, with CUDA graphs on a GPU; its first steps take a minute.
    command: what the user typed, for the record.
    on_epoch: called with each line of ``metrics.jsonl``.
    """

    data_root: Path | None = None
    device: Device = "auto"
    threads: int | None = None
    resume: bool = False
    compile: bool = False
    command: str = ""
    on_epoch: Callable[[dict[str, Any]], None] = _ignore


def train(recipe: Recipe, out: Path, options: RunOptions = RunOptions()) -> dict[str, Any]:
    """Train, test after the last epoch, and leave a run directory at ``out``.

    Deterministic from ``recipe.seed``: on a CPU with the same number of threads, interrupted and resumed anywhere, to
    the bit. Sets torch's seed and cuDNN's deterministic mode, and lets the process keep the memory that it frees.

    Returns:
        What ``summary.json`` holds; that of the finished run where there is one and ``resume`` is on.

    Raises:
        InputError: the data, the recipe or the directory cannot be used.
        TrainingError: the loss is no longer finite.
    """
    directory = RunDirectory(out)
    config = recipe.model_dump(mode="json")
    directory.check(config, options.resume)
    if directory.finished:
        return directory.read_summary()
    keep_freed_memory()
    with _threads_restored():
        return _train(recipe, directory, config, options)


def _train(recipe: Recipe, directory: RunDirectory, config: dict[str, Any], options: RunOptions) -> dict[str, Any]:
    set_threads(options.threads)
    fabric = _fabric(recipe, options.device)
    data = prepare(recipe.data, options.data_root)
    run = _Run(recipe, directory, fabric, data, options)
    samples = {name: chosen.indices for name, chosen in data.parts.items()}
    with directory.opened(config, samples, data.fingerprint()):
        directory.write_environment(fabric.device.type, run.train_batches.residence)
        run.fit(options.on_epoch)
        return run.finish(options.command)


@contextmanager
def _threads_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def set_threads(threads: int | None) -> None:
    """Let torch take as many; None leaves the number as it is.

    Raises:
        InputError: there are fewer cores.
    """
    if threads is None:
        return
    if threads > available_cores():
        raise InputError(f"--threads must be at most the {available_cores()} cores there are, got {threads}")
    torch.set_num_threads(threads)


def chosen_device(device: Device) -> Literal["cpu", "cuda"]:
    """Where "auto" computes.

    Raises:
        InputError: CUDA was asked for where there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda was asked for, but torch sees no CUDA device; use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Run:
    """The objects of one run while it lasts."""

    def __init__(
        self, recipe: Recipe, directory: RunDirectory, fabric: Fabric, data: PreparedData, options: RunOptions
    ) -> None:
        self.recipe = recipe
        self.directory = directory
        self.fabric = fabric
        self.class_counts = data.train.arrays.counts
        self.class_names = data.train.arrays.class_names
        self.train_batches = Batches(data.train.arrays, recipe.training.batch_size, fabric.device)
        self.test_batches = Batches(data.test.arrays, EVALUATION_BATCH, fabric.device)
        self.validation_batches = None
        if data.validation is not None:
            self.validation_batches = Batches(data.validation.arrays, EVALUATION_BATCH, fabric.device)
        torch.manual_seed(recipe.seed)
        with _named("model"):
            classifier = build_classifier(
                torch.from_numpy(data.train.arrays.fitting_inputs()),
                len(self.class_names),
                model=recipe.model.name,
                widths=None if recipe.model.widths is None else tuple(recipe.model.widths),
                head=recipe.model.head,
                scale=recipe.model.scale,
                normalize=recipe.model.normalize,
                pretrained=recipe.model.pretrained,
            )
        with _named("loss"):
            arguments = recipe.loss.arguments
            if "epochs" in find_loss(recipe.loss.name).arguments:
                arguments.setdefault("epochs", recipe.training.epochs)
            loss = build_loss(recipe.loss.name, self.class_counts, **arguments)
            loss.match_classes(len(self.class_names), torch.device("cpu"))
            _check_fits(loss, recipe)
        with _named("class_weights"):
            self.class_weights = recipe.class_weights.schedule(self.class_counts)
            if self.class_weights is not None and "weight" in recipe.loss.arguments:
                raise ValueError("the schedule sets the weights of the loss; leave out its own weight")
        with _named("sampling"):
            self.draw = recipe.sampling.draw(data.train.arrays, recipe.seed, recipe.training.epochs)
        with _named("mixing"):
            self.mix = recipe.mixing.mix(data.train.arrays, fabric.device, recipe.training.epochs)
            self.partners = recipe.mixing.partners(data.train.arrays, recipe.seed, recipe.training.epochs)
        self.loss: ClassificationLoss = loss.to(fabric.device)
        self._set_class_weights(0)
        # A loss may learn as well, the strength of its adjustment.
        learned = [*classifier.parameters(), *self.loss.parameters()]
        optimizer = build_optimizer(recipe.optimizer, learned, fabric.device.type)
        self.num_parameters = classifier.num_parameters
        if options.compile:
            # The last batch of an epoch may be smaller: a second graph is faster than one for any size.
            mode = "reduce-overhead" if fabric.device.type == "cuda" else "default"
            classifier.compile(mode=mode, dynamic=False)
        self.network, self.optimizer = fabric.setup(classifier, optimizer)

    def _set_class_weights(self, epoch: int) -> None:
        if self.class_weights is not None:
            self.loss.weight = self.class_weights(epoch).to(self.fabric.device, torch.float32)

    @property
    def classifier(self) -> Classifier:
        """What is trained."""
        classifier = self.network.module
        assert isinstance(classifier, Classifier)
        return classifier

    @property
    def _parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds; the precision has the scale of float16 gradients."""
        return {
            "classifier": self.classifier,
            "loss": self.loss,
            "optimizer": self.optimizer.optimizer,
            "precision": self.fabric.strategy.precision,
        }

    def fit(self, on_epoch: Callable[[dict[str, Any]], None]) -> None:
        """Train from the last checkpoint, or from the start, to the last epoch."""
        first = 0
        if self.directory.checkpoint.exists():
            first = load_checkpoint(self.directory.checkpoint, self._parts)
        self.directory.keep_metrics(first)
        training = self.recipe.training
        for epoch in range(first, training.epochs):
            began = time.perf_counter()
            line: dict[str, Any] = {"epoch": epoch + 1, "train/loss": self._train_epoch(epoch)}
            line |= {"lr": self.optimizer.param_groups[0]["lr"], "seconds": time.perf_counter() - began}
            if training.evaluate_every and (epoch + 1) % training.evaluate_every == 0:
                line |= self._test_metrics(*self._predict(self.test_batches))
            self.directory.append_metrics(line)
            save_checkpoint(self.directory.checkpoint, epoch + 1, self._parts)
            on_epoch(line)

    def _train_epoch(self, epoch: int) -> float:
        """Mean loss of the epoch's batches; the loss is read from the device once."""
        factor = learning_rate_factor(self.recipe.learning_rate, epoch, self.recipe.training.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.optimizer.lr * factor
        self._set_class_weights(epoch)
        if callable(set_epoch := getattr(self.loss, "set_epoch", None)):
            set_epoch(epoch)
        self.network.train()
        self.loss.train()
        total = torch.zeros((), device=self.fabric.device)
        batches = 0
        mixing_generator = epoch_generator(self.recipe.seed, epoch, "mixing")
        for inputs, targets in self.train_batches.shuffled(self.recipe.seed, epoch, self.draw, self.partners):
            generator = batch_generator(self.recipe.seed, epoch, batches)
            inputs = augment(inputs, self.recipe.data.augmentation, generator)
            if self.mix is not None:
                inputs, targets = self.mix(inputs, targets, epoch, mixing_generator)
            self.optimizer.zero_grad()
            loss = self._loss_of(inputs, targets)
            self.fabric.backward(loss)
            if self.recipe.training.clip_norm is not None:
                self.fabric.clip_gradients(self.network, self.optimizer, max_norm=self.recipe.training.clip_norm)
            self.optimizer.step()
            total += loss.detach()
            batches += 1
        mean = float(total) / batches
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss became {mean} in epoch {epoch + 1}; lower optimizer.lr (now {self.recipe.optimizer.lr}) or "
                "set training.clip_norm"
            )
        return mean

    def _loss_of(self, inputs: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor
        if self.loss.needs_features:
            logits, features = self.network(inputs, with_features=True)
            loss = self.loss(logits, targets, features)
        else:
            loss = self.loss(self.network(inputs), targets)
        return loss

    def _predict(self, batches: Batches) -> tuple[Tensor, Tensor]:
        """Logits (N, C) whose softmax are probabilities, and targets (N,), on the CPU."""
        self.network.eval()
        # Not the compiled network: other batches would need graphs of their own, and the next call overwrites results.
        network = self.classifier.forward
        with torch.no_grad(), self.fabric.autocast():
            done = [
                (self.loss.inference_logits(network(inputs).float()), targets) for inputs, targets in batches.in_order()
            ]
        return torch.cat([logits for logits, _ in done]).cpu(), torch.cat([targets for _, targets in done]).cpu()

    def _test_metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        report = classification_report(logits, targets, self.class_counts)
        return {f"test/{name}": value for name, value in report.items()}

    def finish(self, command: str) -> dict[str, Any]:
        """Test the last weights and write what the run leaves."""
        began = time.perf_counter()
        logits, targets = self._predict(self.test_batches)
        predictions = {"logits": logits.numpy(), "targets": targets.numpy()}
        if self.validation_batches is not None:
            held_out, labels = self._predict(self.validation_batches)
            predictions |= {"validation_logits": held_out.numpy(), "validation_targets": labels.numpy()}
        self.directory.write_arrays("predictions.npz", **predictions)
        self.directory.write_weights(self.classifier.state_dict())
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
            "data": self.train_batches.residence,
            "metrics": self._test_metrics(logits, targets),
        }
        trained = sum(json.loads(line)["seconds"] for line in self.directory.metrics())
        summary["seconds"] = trained + time.perf_counter() - began
        self.directory.write_summary(summary)
        return summary


def _check_fits(loss: ClassificationLoss, recipe: Recipe) -> None:
    """Refuse a loss that the rest of the recipe makes meaningless."""
    if loss.for_cosines and recipe.model.head != "cosine":
        raise ValueError(
            f"{recipe.loss.name} scales cosines, but the head is {recipe.model.head}; add --set model.head=cosine"
        )
    told = getattr(loss, "epochs", recipe.training.epochs)
    if told != recipe.training.epochs:
        raise ValueError(
            f"epochs is {told}, but the training has {recipe.training.epochs} epochs; leave it out and it follows them"
        )


@contextmanager
def _named(section: str) -> Iterator[None]:
    """Name the recipe's section in the error of a part that it describes."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{section}: {error}") from error


def _fabric(recipe: Recipe, device: Device) -> Fabric:
    accelerator = chosen_device(device)
    if recipe.training.precision == "16-mixed" and accelerator == "cpu":
        raise InputError("training.precision 16-mixed needs a GPU; use bf16-mixed or 32-true")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return Fabric(accelerator=accelerator, devices=1, precision=recipe.training.precision)
