"""Hooks for the Hugging Face ``Trainer``: a loss, class weights that change over the epochs, and a sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from tailwise.integrations._epochs import begin_epoch, keep_weights_out_of_state_dict

try:
    from transformers import TrainerCallback
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "tailwise.integrations.huggingface needs transformers; install it with `pip install 'tailwise[huggingface]'`"
    ) from error

IGNORED = -100
"""The label that the ``Trainer`` does not count."""


class ComputeLoss:
    """A loss for the ``compute_loss_func`` of a ``Trainer``.

        loss = criterion(logits, labels) * n / num_items_in_batch

    The criterion takes the mean over a batch; n is its number of labels that are not -100, and ``num_items_in_batch``
    that of all batches of an optimiser step, over gradient accumulation and, as the ``Trainer`` has it, over processes.
    A step is therefore the same however it is parted; with class weights each part takes the mean by its own weights.

    The criterion follows the logits' device, and gathers statistics in training alone. It stays outside the model: what
    it gathers (GALA, Seesaw, equalized focal) is in no checkpoint, and begins anew after a resumption.

    Args:
        criterion: a loss with ``reduction="mean"``, of this library or of torch. ``label_smoothing_factor`` of the
            training arguments does not reach it: give the smoothing to the loss.

    Raises:
        ValueError: the reduction is another one, or the criterion has parameters, which no optimiser would train.

    Example:
        >>> import torch
        >>> from tailwise import BalancedSoftmaxLoss
        >>> compute_loss = ComputeLoss(BalancedSoftmaxLoss([90, 10]))
        >>> logits, labels = torch.zeros(4, 2), torch.tensor([0, 0, 1, -100])
        >>> bool(compute_loss({"logits": logits}, labels) == compute_loss.criterion(logits, labels))
        True
    """

    def __init__(self, criterion: nn.Module) -> None:
        if getattr(criterion, "reduction", "mean") != "mean":
            raise ValueError(f'the criterion must have reduction="mean", got {criterion.reduction!r}')
        if any(True for _ in criterion.parameters()):
            raise ValueError(
                f"{type(criterion).__name__} has parameters of its own, which the Trainer does not train; make them a "
                "part of the model, or take a loss without"
            )
        self.criterion = criterion

    def __call__(self, outputs: Any, labels: Tensor | None, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        """The loss of a batch.

        Args:
            outputs: a ``ModelOutput`` or mapping with ``logits``, or a tuple that begins with them: (B, C), or
                (B, T, C) with a label for each token.
            labels: (B,), (B, T), or (B, C) probabilities.
            num_items_in_batch: labels of the optimiser step; None takes the mean of this batch alone.

        Raises:
            ValueError: there are no labels or no logits.
        """
        if labels is None:
            raise ValueError("the batch has no labels; name their column in label_names of the training arguments")
        logits = _logits(outputs)
        self.criterion.to(logits.device).train(logits.requires_grad)
        counted = labels.ne(IGNORED).sum()
        if logits.ndim == 3:
            logits = logits.flatten(0, 1)
            labels = labels.flatten(0, 1)
        loss: Tensor = self.criterion(logits, labels)
        if num_items_in_batch is None:
            return loss
        items = torch.as_tensor(num_items_in_batch, device=loss.device)
        return loss * counted.to(loss.device) / items.clamp_min(1)


class ScheduleCallback(TrainerCallback):  # type: ignore[misc]  # optional, so not looked into
    """When an epoch begins, gives a loss its class weights and tells it the epoch.

    Everything follows from the epoch alone, so that a training that is resumed goes on as it would have.

    Args:
        criterion: the loss, the same object that ``ComputeLoss`` was given.
        class_weights: a schedule, epoch -> (C,): ``DeferredReweighting`` (DRW), ``PhasedProgressiveWeights`` (PPW) or
            any function; None for a loss that is told the epoch alone (cyclical focal).

    Raises:
        ValueError: there are class weights, and the loss has some of its own.
    """

    def __init__(self, criterion: nn.Module, class_weights: Callable[[int], Tensor] | None = None) -> None:
        if class_weights is not None:
            keep_weights_out_of_state_dict(criterion)
        self.criterion = criterion
        self.class_weights = class_weights

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Also of an epoch in whose middle a training is resumed."""
        begin_epoch(self.criterion, int(state.epoch), self.class_weights, args.device)


class WithTrainSampler:
    """Mix into a ``Trainer`` to give it a sampler: ``class MyTrainer(WithTrainSampler, Trainer): pass``.

    Args:
        *args: of the ``Trainer``.
        train_sampler: of this library, made with ``num_replicas=1, rank=0``: the ``Trainer`` deals out the batches of
            any loader to its processes itself. It is told the epoch, also when a training is resumed.
        **kwargs: of the ``Trainer``.

    Raises:
        ValueError: the sampler shards itself as well, so that most of its draws would be lost.
    """

    def __init__(self, *args: Any, train_sampler: Sampler[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if getattr(train_sampler, "num_replicas", 1) != 1:
            raise ValueError(
                "the Trainer deals out batches to its processes itself; make train_sampler with num_replicas=1, rank=0"
            )
        self.train_sampler = train_sampler
        if hasattr(train_sampler, "set_epoch"):
            self.add_callback(_SamplerEpoch(train_sampler))  # type: ignore[attr-defined]  # of the Trainer

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self.train_sampler


class _SamplerEpoch(TrainerCallback):  # type: ignore[misc]
    """Tells a sampler the epoch: resumed on several processes within one, the ``Trainer`` does not reach it."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before its first draw."""
        self.sampler.set_epoch(int(state.epoch))


def _logits(outputs: Any) -> Tensor:
    """The logits among what a model gave."""
    found = None
    if isinstance(outputs, Tensor):
        found = outputs
    elif isinstance(outputs, Mapping):
        found = outputs.get("logits")
    elif isinstance(outputs, Sequence) and outputs:
        found = outputs[0]
    if not isinstance(found, Tensor):
        raise ValueError(f"the model gave no logits, but {type(outputs).__name__}; Tailwise losses are for classifiers")
    return found
