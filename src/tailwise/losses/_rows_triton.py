"""Loss and gradient of rows of logits on a GPU, by two Triton kernels around the loss's own formula.

    x = scale * z + offset - margin_y * onehot_y,   log p = log softmax(x)

A first kernel goes once over each row for log p_y and, where labels are smoothed, sum_j w_j * (x_j - x_y). From these,
tensor operations make the loss of the rows and its slopes. A second kernel writes the gradient in place of the
logits. A graph of tensor operations goes over the logits some ten times. No row meets another: the result is the same
every time.
"""

from __future__ import annotations

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

from tailwise.losses._base import ClassificationLoss
from tailwise.losses._fused import Other

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether the kernels run on a CPU, for tests."""
BLOCK = 4096
"""Logits of a row that a program holds at a time."""


@triton.jit
def _adjusted(
    logits,
    offset,
    margin,
    row,
    label,
    column,
    classes,
    scale: tl.constexpr,  # a number would come as float32
    dtype: tl.constexpr,
):
    """x of one block of a row."""
    inside = column < classes
    x = scale * tl.load(logits + row * classes + column, mask=inside, other=-float("inf")).to(dtype)
    if offset is not None:
        x += tl.load(offset + column, mask=inside, other=0.0)
    if margin is not None:
        x -= tl.where(column == label, tl.load(margin + label), 0.0)
    return x


@triton.jit
def _summarise(
    logits,
    labels,
    own,
    offset,
    margin,
    weight,
    log_p,
    tops,
    log_sums,
    spreads,
    classes,
    scale: tl.constexpr,
    dtype: tl.constexpr,
    smoothed: tl.constexpr,
    block: tl.constexpr,
):
    """Log p_y of each row, max x, log sum_j exp(x_j - max x) and sum_j w_j * (x_j - x_y)."""
    row = tl.program_id(0).to(tl.int64)
    label = tl.load(labels + row)
    own_x = tl.load(own + row)
    top = tl.full((), -float("inf"), dtype)
    total = tl.zeros((), dtype)
    found = tl.full((), -float("inf"), dtype)  # x_y once more, of the very roundings of the maximum
    spread = tl.zeros((), dtype)
    for start in range(0, classes, block):
        column = start + tl.arange(0, block)
        x = _adjusted(logits, offset, margin, row, label, column, classes, scale, dtype)
        new_top = tl.maximum(top, tl.max(x, 0))
        total = total * tl.exp(top - new_top) + tl.sum(tl.exp(x - new_top), 0)
        found = tl.maximum(found, tl.max(tl.where(column == label, x, -float("inf")), 0))
        top = new_top
        if smoothed:
            distance = tl.where(column < classes, x - own_x, 0.0)
            if weight is not None:
                distance *= tl.load(weight + column, mask=column < classes, other=0.0)
            spread += tl.sum(distance, 0)
    log_sum = tl.log(total)
    tl.store(log_p + row, found - top - log_sum)
    tl.store(tops + row, top)
    tl.store(log_sums + row, log_sum)
    if smoothed:
        tl.store(spreads + row, spread)


@triton.jit
def _differentiate(
    logits,
    labels,
    tops,
    log_sums,
    slopes,
    own_slopes,
    spread_slopes,
    offset,
    margin,
    weight,
    classes,
    scale: tl.constexpr,
    dtype: tl.constexpr,
    smoothed: tl.constexpr,
    block: tl.constexpr,
):
    """scale * (own_slope * onehot_y - slope * p + spread_slope * w) in place of the logits."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * block + tl.arange(0, block)
    label = tl.load(labels + row)
    x = _adjusted(logits, offset, margin, row, label, column, classes, scale, dtype)
    gradient = -tl.load(slopes + row) * tl.exp(x - tl.load(tops + row) - tl.load(log_sums + row))
    if smoothed:
        factor = tl.load(spread_slopes + row)
        if weight is not None:
            gradient += factor * tl.load(weight + column, mask=column < classes, other=0.0)
        else:
            gradient += factor
    gradient += tl.where(column == label, tl.load(own_slopes + row), 0.0)
    place = logits + row * classes + column
    tl.store(place, (scale * gradient).to(logits.dtype.element_ty), mask=column < classes)


class TritonRows:
    """A loss, prepared for blocks of rows of logits.

    Args:
        loss: with reduction "sum" or "none".
        num_classes: C.
        device: of the logits.
        dtype: to compute in, float32 or float64.

    Raises:
        ValueError: the formula of the loss is none that the kernels compute.
    """

    def __init__(self, loss: ClassificationLoss, num_classes: int, device: torch.device, dtype: torch.dtype) -> None:
        loss.match_classes(num_classes, device)
        formula = loss.row_formula()
        self.smoothed = formula is not None and (formula.eps > 0 or formula.smoothing is not None)
        if (
            formula is None
            or formula.state is not None
            or formula.scales is not None
            or formula.negatives is not None
            or loss.needs_features
            or (self.smoothed and formula.other == Other.FOCUSED)
        ):
            raise ValueError(
                f'backend "triton" has no kernel for {type(loss).__name__} with these options; use backend "chunked"'
            )

        def constants(of: Tensor | None) -> Tensor | None:
            return None if of is None else of.to(device, dtype).contiguous()

        self.loss = loss
        self.num_classes = num_classes
        self.offset, self.margin, self.weight = map(constants, (formula.offset, formula.margin, loss.weight))
        self.scale = formula.scale
        self.weight_sum = num_classes if self.weight is None else self.weight.sum()
        self.dtype = dtype
        self.options = {
            "dtype": tl.float64 if dtype == torch.float64 else tl.float32,
            "smoothed": self.smoothed,
            "block": min(BLOCK, triton.next_power_of_2(num_classes)),
        }

    def __call__(self, logits: Tensor, target: Tensor, received: Tensor | None, wanted: bool) -> Tensor:
        """The loss of some rows. If it is wanted, its gradient takes the place of the contiguous logits.

        ``received`` is (rows,) the gradient by the loss of each, where it is not reduced.
        """
        with torch.cuda.device_of(logits):  # type: ignore[no-untyped-call]  # where Triton starts its kernels
            return self._of_rows(logits, target, received, wanted)

    def _of_rows(self, logits: Tensor, target: Tensor, received: Tensor | None, wanted: bool) -> Tensor:
        rows, classes = logits.shape
        label = target.masked_fill(target == self.loss.ignore_index, 0)
        # Also refuses a label that is out of bounds, where a kernel would read past the row.
        own = self.scale * logits.gather(1, label.unsqueeze(1)).squeeze(1).to(self.dtype)
        own = own if self.offset is None else own + self.offset[label]
        own = own if self.margin is None else own - self.margin[label]
        log_p, tops, log_sums, spreads = torch.zeros(4, rows, dtype=self.dtype, device=logits.device)
        constants = self.offset, self.margin, self.weight
        if rows:
            _summarise[(rows,)](
                *(logits, label, own, *constants, log_p, tops, log_sums, spreads, classes, self.scale),
                **self.options,
            )
        if not wanted:
            return self._loss(log_p, spreads, target)
        with torch.enable_grad():
            losses = self._loss(log_p.requires_grad_(), spreads.requires_grad_(), target)
        slopes, by_spread = torch.autograd.grad(losses, (log_p, spreads), received, materialize_grads=True)
        own_slopes = slopes - self.weight_sum * by_spread
        if rows:
            grid = (rows, triton.cdiv(classes, self.options["block"]))
            _differentiate[grid](
                *(logits, label, tops, log_sums, slopes, own_slopes, by_spread),
                *(*constants, classes, self.scale),
                **self.options,
            )
        return losses.detach()

    def _loss(self, log_p: Tensor, spread: Tensor, target: Tensor) -> Tensor:
        # sum_j w_j * log p_j, of which ``Other.LINEAR`` is the negative
        other_sum = -(spread + self.weight_sum * log_p) if self.smoothed else None
        losses = self.loss.of_log_p(log_p, target, self.weight, other_sum, self.num_classes)
        return losses if self.loss.reduction == "none" else losses.sum()
