"""What a loss is told when an epoch begins, whoever trains."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def begin_epoch(
    criterion: nn.Module, epoch: int, class_weights: Callable[[int], Tensor] | None, device: torch.device | str
) -> None:
    """Give a loss the class weights of an epoch, from 0, and the epoch itself where it asks for it.

    Args:
        criterion: a loss of this library, or one of torch's with a ``weight``.
        epoch: from 0.
        class_weights: a schedule, epoch -> (C,); None leaves the weights as they are.
        device: that the weights go to.
    """
    if class_weights is not None:
        criterion.weight = class_weights(epoch).to(device, torch.float32)
    if callable(set_epoch := getattr(criterion, "set_epoch", None)):
        set_epoch(epoch)


def keep_weights_out_of_state_dict(criterion: nn.Module) -> None:
    """Let no checkpoint hold the class weights of a loss, which follow from the epoch: a new loss could not load them.

    Raises:
        ValueError: the loss has class weights of its own.
    """
    if any(name.rpartition(".")[2] == "weight" for name in criterion.state_dict()):
        raise ValueError(
            f"class_weights set the weights of the loss, but {type(criterion).__name__} has a weight of its own; leave "
            "one out"
        )
    for module in criterion.modules():
        # A buffer without a value yet is no part of ``named_buffers``.
        if "weight" in module._buffers:
            module.register_buffer("weight", None, persistent=False)
