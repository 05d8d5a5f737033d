"""What a loss refuses: settings, logits and targets that it can do nothing sensible with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from tailwise.losses._base import ClassificationLoss


def per_class_factors(name: str, factors: Tensor | Sequence[float]) -> Tensor:
    """(C,) finite, non-negative floating tensor from a list or tensor."""
    try:
        given = torch.as_tensor(factors)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be one number per class, got {factors!r}") from error
    if given.ndim != 1 or given.is_complex() or given.dtype == torch.bool:
        raise ValueError(f"{name} must be one number per class, got {given.dtype} of shape {tuple(given.shape)}")
    if not given.is_floating_point():
        given = given.float()
    if not (given.isfinite() & (given >= 0)).all():
        raise ValueError(f"{name} must be finite and not negative, got {given.tolist()}")
    return given


def require_every_class(class_counts: Tensor | None, reason: str) -> None:
    """Refuse counts that leave a class without a sample, where the loss has no meaning for one."""
    assert class_counts is not None  # the constructor has refused None where counts are needed
    if (class_counts == 0).any():
        missing = int((class_counts == 0).nonzero()[0])
        raise ValueError(f"class {missing} has count 0, so {reason}; leave the class out or count it as 1")


def number_of_classes(loss: ClassificationLoss, num_classes: int | None) -> int:
    """C of a loss that is told it, or the counts of its classes, or both if they agree."""
    counted = None if loss.class_counts is None else len(loss.class_counts)
    if counted is None and num_classes is None:
        raise ValueError(f"{type(loss).__name__} must know the number of classes: give num_classes or class_counts")
    if None not in (counted, num_classes) and counted != num_classes:
        raise ValueError(f"num_classes is {num_classes} but class_counts has {counted}: give one")
    found = num_classes if counted is None else counted
    assert found is not None
    return found


def require_mean(loss: ClassificationLoss) -> None:
    """Refuse another reduction of a loss that is no sum over samples."""
    if loss.reduction != "mean":
        raise ValueError(
            f'reduction must be "mean", for {type(loss).__name__} is one number for the whole batch, '
            f"got {loss.reduction!r}"
        )


def require_tensor(name: str, given: object) -> None:
    """Refuse what is no tensor."""
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(given).__name__}; convert with torch.as_tensor")


def can_look(tensor: Tensor) -> bool:
    """Whether a decision may depend on what it holds: not while a graph is traced, nor, to wait for it, on a GPU."""
    return tensor.is_cpu and not torch.compiler.is_compiling()


def require_labels(label: Tensor, num_classes: int) -> None:
    """Refuse class indices out of bounds, as ``torch.nn.functional.nll_loss`` does, where one may look."""
    if can_look(label) and (wrong := (label < 0) | (label >= num_classes)).any():
        raise IndexError(f"Target {int(label[wrong][0])} is out of bounds.")


def one_hot(target: Tensor, num_classes: int, valid: Tensor) -> Tensor:
    """(B, C) int64 of class indices (B,), 0 in the rows that are not valid."""
    return F.one_hot(target.masked_fill(~valid, 0), num_classes) * valid.unsqueeze(1)


def two_classes(logits: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """One logit a sample and its target, (B,) or (B, 1), as two classes: (B, 2), and (B,) or (B, 2)."""
    z = logits.reshape(-1)
    if target.shape not in ((len(z),), (len(z), 1)):
        raise ValueError(
            f"one logit a sample, {tuple(logits.shape)}, takes a target (B,) or (B, 1) of 0 and 1, "
            f"got shape {tuple(target.shape)}"
        )
    target = target.reshape(-1)
    columns = torch.stack((torch.zeros_like(z), z), dim=1)
    if not target.is_floating_point():
        return columns, target.long()
    ignored = target == ignore_index
    if can_look(target):
        if (ignored | (target == 0) | (target == 1)).all():
            return columns, target.long()
        if (wrong := ~((target >= 0) & (target <= 1))).any():
            raise ValueError(
                f"a target of one logit must be 0, 1 or a probability between, got {target[wrong][0].item():g}; "
                "ignored samples go with 0 and 1 alone"
            )
    return columns, torch.stack((1 - target, target), dim=1).masked_fill(ignored.unsqueeze(1), 0.0)


def check_logits(logits: Tensor) -> None:
    require_tensor("logits", logits)
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(
            f"logits must be floating of shape (B, C), got {logits.dtype} of shape {tuple(logits.shape)}; "
            "flatten further dimensions into B"
        )


def check_target(target: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a target that does not fit logits of ``shape``."""
    require_tensor("target", target)
    if target.is_floating_point():
        if target.shape != shape:
            raise ValueError(
                f"class probabilities must have the shape of the logits, {tuple(shape)}, "
                f"got {tuple(target.shape)}; class indices must be int64"
            )
    elif target.ndim != 1 or len(target) != shape[0] or target.dtype == torch.bool:
        raise ValueError(
            f"target must be class indices of shape ({shape[0]},), got {target.dtype} of shape "
            f"{tuple(target.shape)}; give one-hot targets as floats"
        )
