"""Losses of float32 logits on a CPU with their gradient, in one pass over each row, by the compiled module ``_rows``.

A graph of tensor operations pays for each of them, at the sizes of small experiments more than for the arithmetic, and
goes over the logits several times where they are many. Here a loss describes its formula by numbers, which the compiled
loop takes. Without the module, which a C compiler builds when the package is installed, and for all other logits and
targets, the tensor operations compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.compiled import nothing_traces, share_torchs_threads
from tailwise.distributed import is_distributed

try:
    from tailwise.losses import _rows
except ImportError:
    _rows = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from tailwise.losses._base import ClassificationLoss

SHARED = share_torchs_threads(_rows)
PARALLEL_SIZE = 2**15
"""Logits from which on several threads share the rows; below, waking them takes longer than the work."""
LANES = 16
"""By how many numbers at most the compiled loops read on to fill up a vector."""
Arguments = tuple[float, ...]
Compute = Callable[[Tensor, Tensor, "Tensor | None"], tuple[Tensor, "Met"]]
"""From contiguous logits, the target and the memory for a gradient to the reduced loss, and what the batch met."""
keeps_graph = torch._C._autograd._get_current_graph_task_keep_graph


class Term(IntEnum):
    """The term of a sample's own class: see ``bare_term`` in ``_rows.c`` for what a, b, c and d are."""

    NONE = 0
    CROSS_ENTROPY = 1
    FOCAL = 2
    PENALTY = 3
    CYCLICAL = 4
    POLY = 5
    INFLUENCE = 6


class Other(IntEnum):
    """The term of the other classes, to which smoothing gives weight: cross entropy, or focused as in ASL."""

    NONE = 0
    LINEAR = 1
    FOCUSED = 2


class Region(IntEnum):
    """The term of a class in a loss of the whole batch."""

    DICE = 0
    TVERSKY = 1


class State(NamedTuple):
    """What GALA has gathered, (C,) float64 each; it gives the offset and, without ``latest``, the margin."""

    theta: Tensor
    phi: Tensor
    latest: Tensor | None
    eps: float
    positive: float
    negative: float


NO_STATE: Arguments = (0, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0)


class Negatives(NamedTuple):
    """How the other classes of a sample count: left out at random, or as in the seesaw loss; see ``_rows.c``."""

    rare: Tensor | None = None
    """(C,) bool: the classes of which a draw is made."""
    limit: int = 0
    mitigation: float = 0.0
    compensation: float = 0.0
    log_eps: float = 0.0
    seen: Tensor | None = None
    """(C,) float64 counts, from which the logarithms follow."""


class Partition(NamedTuple):
    """LADE's term of the columns of a batch: see ``Columns`` in ``_rows.c``."""

    prior: Tensor
    shift: Tensor
    remine_lambda: float
    factor: float


class Met(NamedTuple):
    """What a batch brought beside logits and targets, and the constants of the state that it met.

    lengths: (B,) float32 of the features.
    seed: of the classes that are left out.
    log_counts: (C,) float32 of the samples seen; where a loss counts, memory for them.
    counts: whether the batch is to be counted.
    margins: (2, C) float32, offset and margin.
    exponents: (C,) float32 of the classes' focusing factors.
    """

    lengths: Tensor | None = None
    seed: int = 0
    log_counts: Tensor | None = None
    counts: bool = False
    margins: Tensor | None = None
    exponents: Tensor | None = None


PLAIN = Met()


class RowFormula(NamedTuple):
    """What ``_rows`` computes of a sample; the tensors are (C,), of any floating type."""

    term: Term
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    strength: Tensor | None = None
    factor: float = 1.0
    scale: float = 1.0
    scales: Tensor | None = None
    offset: Tensor | None = None
    margin: Tensor | None = None
    other: Other = Other.NONE
    gamma: float = 0.0
    eta: float = 0.0
    eps: float = 0.0
    smoothing: Tensor | None = None
    negatives: Negatives | None = None
    state: State | None = None
    partition: Partition | None = None


class RegionFormula(NamedTuple):
    """What ``_rows`` computes of a batch as a whole, beside the mean of the samples' own term."""

    region: Region
    smooth: float
    alpha: float = 0.0
    delta: float = 0.0
    gamma: float = 0.0
    class_share: float = 1.0


class Kept:
    """What a compiled loop is given of a loss as it is now, until a constant that it was made of is written to."""

    def __init__(self, classes: int, sources: Iterable[Tensor | None]) -> None:
        self.classes = classes
        self.sources = [(tensor, tensor._version) for tensor in sources if tensor is not None]

    def holds_for(self, classes: int) -> bool:
        """Whether it was prepared for so many classes, and nothing has been written to the constants meanwhile."""
        for tensor, version in self.sources:  # all() would take longer, and every batch comes by here
            if tensor._version != version:
                return False
        return self.classes == classes


class Prepared(Kept):
    """The numbers that ``_rows`` takes of a loss, and the memory that they point to."""

    def __init__(
        self, loss: ClassificationLoss, classes: int, formula: RowFormula, region: RegionFormula | None = None
    ) -> None:
        prior, shift = (None, None) if formula.partition is None else formula.partition[:2]
        constants = (
            *(loss.weight, formula.scales, formula.offset, formula.margin, formula.strength),
            *(formula.smoothing, prior, shift),
        )
        super().__init__(classes, constants)
        copies = {id(tensor): tensor.to(torch.float32).contiguous() for tensor, _ in self.sources}
        self.memory = list(copies.values())

        def address(tensor: Tensor | None) -> int:
            return 0 if tensor is None else copies[id(tensor)].data_ptr()

        self.weight = address(loss.weight)
        self.own: Arguments = (
            *(loss.ignore_index, self.weight, formula.scale, address(formula.scales)),
            *(address(formula.offset), address(formula.margin)),
            *(formula.term, formula.a, formula.b, formula.c, formula.d, address(formula.strength), formula.factor),
        )
        rare, *numbers, seen = formula.negatives or Negatives()
        self.rare = None if rare is None else F.pad(rare.to(torch.int32), (0, LANES))
        self.others: Arguments = (
            *(formula.other, formula.gamma, formula.eta, formula.eps, address(formula.smoothing)),
            *(address_of(self.rare), *numbers, address_of(seen)),
        )
        self.partition: Arguments | None = None
        if formula.partition is not None:
            self.partition = (address(prior), address(shift), *formula.partition[2:])
        self.state = formula.state
        self.region: Arguments | None = None
        if region is not None:
            of_classes = (region.region, region.delta, region.gamma, region.smooth, region.class_share)
            self.region = (region.alpha, *of_classes)


def can_fuse(logits: Tensor, target: Tensor) -> bool:
    """Whether the compiled module takes this batch: (B, C) float32 and (B,) int64 on the CPU, nothing that traces."""
    return (
        _rows is not None
        and type(target) is Tensor
        and target.dtype is torch.int64
        and target.is_cpu
        and target.dim() == 1
        and takes_logits(logits)
        and logits.size(0) == target.size(0)
    )


def takes_logits(logits: Tensor) -> bool:
    """Whether logits are (B, C) float32 on the CPU, and nothing traces."""
    return (
        type(logits) in (Tensor, torch.nn.Parameter)
        and logits.dtype is torch.float32
        and logits.is_cpu
        and logits.dim() == 2
        and nothing_traces()
    )


def fused_loss(loss: ClassificationLoss, logits: Tensor, target: Tensor, prepared: Prepared) -> Tensor:
    """The reduced loss of a batch that ``can_fuse``.

    Raises:
        IndexError: a target is out of bounds.
    """
    return differentiable(logits, loss, target.contiguous(), partial(_compute, loss, prepared))


def differentiable(logits: Tensor, loss: ClassificationLoss, target: Tensor, compute: Compute) -> Tensor:
    """The loss that ``compute`` gives of contiguous logits and target, with the gradient that it writes."""
    if logits.requires_grad and torch.is_grad_enabled():
        return _Fused.apply(logits, loss, target, compute)  # type: ignore[no-any-return, no-untyped-call]
    return compute(logits.contiguous(), target, None)[0]


class _Fused(torch.autograd.Function):
    """The gradient is known when the loss is; a gradient of it in turn is left to the tensor operations."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, loss: ClassificationLoss, target: Tensor, compute: Compute) -> Tensor:
        rows = logits.contiguous()
        gradient = torch.empty_like(rows)
        # Not an attribute of ``ctx``: what is saved is given up before the gradient is accumulated, which saves a copy.
        ctx.save_for_backward(logits, gradient)
        value, met = compute(rows, target, gradient)
        ctx.known = loss, target, met
        return value

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        logits, gradient = ctx.saved_tensors
        if not torch.is_grad_enabled():
            # A plain ``loss.backward()``; where the graph is kept, the caller may change what it got and ask again.
            if grad_output.dim() == 0 and grad_output.item() == 1 and not keeps_graph():
                return gradient, None, None, None
            factor = grad_output if grad_output.dim() == 0 else grad_output.unsqueeze(1)
            return gradient * factor, None, None, None
        loss, target, met = ctx.known
        again = loss.recomputed(logits, target, met)
        (differentiable,) = torch.autograd.grad(again, logits, grad_output, create_graph=True)
        return differentiable, None, None, None


def _compute(
    loss: ClassificationLoss, prepared: Prepared, logits: Tensor, target: Tensor, gradient: Tensor | None
) -> tuple[Tensor, Met]:
    """The reduced loss, and what the batch met; the gradient goes to ``gradient``, of the shape of the logits."""
    size, classes = logits.shape
    batch = (logits.data_ptr(), target.data_ptr(), size, classes)
    if prepared.region is not None:
        gradient = torch.empty_like(logits) if gradient is None else gradient
        return scalar(_rows.regions(*batch, *prepared.own, *prepared.region, gradient.data_ptr())), PLAIN
    met = loss.meet(target, classes)
    losses = torch.empty(size) if loss.reduction == "none" else None
    output = output_of(loss, logits, gradient, losses)
    of_batch = (address_of(met.lengths), met.seed, address_of(met.log_counts), met.counts)
    if prepared.state is None:
        value = _rows.rows(*batch, *prepared.own, *prepared.others, *output, *of_batch, *NO_STATE)
    else:
        value, margins = _with_state(loss, prepared, batch, (*output, *of_batch))
        met = Met(margins=margins)
    if prepared.partition is not None:
        value += _rows.columns(*batch, loss.ignore_index, *prepared.partition, address_of(gradient), output[-1])
    return (scalar(value) if losses is None else losses), met


def output_of(loss: ClassificationLoss, logits: Tensor, gradient: Tensor | None, losses: Tensor | None) -> Arguments:
    """The arguments of a compiled loop over rows that say what becomes of them, the last one in how many parts."""
    unit = 0.0 if loss.reduction == "mean" else 1.0  # 0 makes it a mean
    parts = torch.get_num_threads() if SHARED and logits.numel() >= PARALLEL_SIZE else 1
    return unit, address_of(gradient), address_of(losses), parts


def _with_state(
    loss: ClassificationLoss, prepared: Prepared, batch: Arguments, output: Arguments
) -> tuple[float, Tensor]:
    """The result of ``_rows`` with the margins of the state before the batch, which in training the batch joins."""
    assert prepared.state is not None
    theta, phi, latest, *numbers = prepared.state
    constants = torch.empty(2, prepared.classes)
    received = None
    if loss.training and is_distributed():
        received = torch.empty(prepared.classes + 1, dtype=torch.float64)
    state = (theta.data_ptr(), phi.data_ptr(), address_of(latest), *numbers, constants.data_ptr())
    gathering = (loss.training, address_of(received))
    value = _rows.rows(*batch, *prepared.own, *prepared.others, *output, *state, *gathering)
    if received is not None:
        loss.gather(received)
    return value, constants


def left_out(seed: int, limit: int, rows: int, classes: int) -> Tensor:
    """(B, C) bool, the draw of ``Negatives`` with a seed, of which ``limit`` in 2^24 are left out."""
    drawn = torch.empty(rows, classes, dtype=torch.uint8)
    _rows.left_out(seed, limit, rows, classes, drawn.data_ptr())
    return drawn.bool()


def scalar(value: float) -> Tensor:
    """A float32 tensor of one number."""
    return torch.scalar_tensor(value, dtype=torch.float32)


def address_of(tensor: Tensor | None) -> int:
    """Of its first number; 0 where there is no tensor."""
    return 0 if tensor is None else tensor.data_ptr()
