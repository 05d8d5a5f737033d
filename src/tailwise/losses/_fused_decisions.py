"""Losses of C yes-or-no decisions a sample on a CPU with their gradient, by the compiled module ``_decisions``.

As ``_fused`` does it for losses of a softmax.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from tailwise.compiled import share_torchs_threads
from tailwise.distributed import is_distributed
from tailwise.losses._fused import (
    PLAIN,
    Arguments,
    Kept,
    Met,
    address_of,
    can_fuse,
    differentiable,
    output_of,
    scalar,
    takes_logits,
)

try:
    from tailwise.losses import _decisions
except ImportError:
    _decisions = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from tailwise.losses._one_vs_rest import OneVsRestLoss

share_torchs_threads(_decisions)
NO_STATE: Arguments = (0.0, 0.0, 0, 0, 0, 0, 0)


class Kind(IntEnum):
    """The formula of a decision: see ``Formula`` in ``_decisions.c`` for what a, b, c and d are."""

    ASYMMETRIC = 0
    EQUALIZED = 1


class Received(NamedTuple):
    """What the classes have received, (C,) float64 each, and the range of the exponents that follow from it."""

    positive: Tensor
    negative: Tensor
    gamma: float
    scale: float


class DecisionFormula(NamedTuple):
    """What ``_decisions`` computes of each logit."""

    kind: Kind
    a: float
    b: float
    c: float = 0.0
    d: float = 1.0
    received: Received | None = None


class PreparedDecisions(Kept):
    """The numbers that ``_decisions`` takes of a loss, and the memory that they point to."""

    def __init__(self, loss: OneVsRestLoss, classes: int, formula: DecisionFormula) -> None:
        super().__init__(classes, [loss.weight])
        self.memory = None if loss.weight is None else loss.weight.to(torch.float32).contiguous()
        *numbers, received = formula
        self.own: Arguments = (classes, loss.ignore_index, address_of(self.memory), *numbers)
        self.state: Arguments | None = None
        if received is not None:
            addresses = (address_of(received.positive), address_of(received.negative))
            self.state = (received.gamma, received.scale, *addresses)


def can_fuse_labels(logits: Tensor, target: Tensor) -> bool:
    """Whether the compiled module takes logits (B, C) and class indices (B,), of any shape and type as they may be."""
    return _decisions is not None and can_fuse(logits, target)


def can_fuse_decisions(logits: Tensor, target: Tensor) -> bool:
    """Whether the compiled module takes logits (B, C) and class indices (B,) or entries (B, C), of shapes that fit."""
    return (
        _decisions is not None
        and type(target) is Tensor
        and target.is_cpu
        and not target.requires_grad
        and takes_logits(logits)
    )


def fused_decisions(loss: OneVsRestLoss, logits: Tensor, target: Tensor, prepared: PreparedDecisions) -> Tensor:
    """The reduced loss of a batch that ``can_fuse_decisions``.

    Raises:
        IndexError: a class index is out of bounds.
        ValueError: an entry is not from 0 to 1.
    """
    wanted = torch.int64 if target.ndim == 1 else torch.float32
    if target.dtype is not wanted:
        target = target.to(wanted)
    return differentiable(logits, loss, target.contiguous(), partial(_compute, loss, prepared))


def _compute(
    loss: OneVsRestLoss, prepared: PreparedDecisions, logits: Tensor, target: Tensor, gradient: Tensor | None
) -> tuple[Tensor, Met]:
    size = logits.size(0)
    losses = torch.empty(size) if loss.reduction == "none" else None
    address = target.data_ptr()
    batch = (logits.data_ptr(), *((address, 0) if target.ndim == 1 else (0, address)), size)
    output = output_of(loss, logits, gradient, losses)
    if prepared.state is None:
        value, met = _decisions.decisions(*batch, *prepared.own, *output, *NO_STATE), PLAIN
    else:
        exponents = torch.empty(prepared.classes)
        received = None
        if loss.training and is_distributed():
            received = torch.zeros(2, prepared.classes, dtype=torch.float64)
        state = (*prepared.state, exponents.data_ptr(), loss.training, address_of(received))
        value, met = _decisions.decisions(*batch, *prepared.own, *output, *state), Met(exponents=exponents)
        if received is not None:
            loss.gather(received)
    return (scalar(value) if losses is None else losses), met
