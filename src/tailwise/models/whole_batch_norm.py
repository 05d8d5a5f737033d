"""Batch normalisation by the statistics of the whole batch, of which each of several processes has some rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class WholeBatchStatistics(TorchFunctionMode):
    """While it is active, what normalises by batch in training does so by the rows of all processes.

    Whichever layers a network has: torch's, tailwise's and timm's all call ``torch.nn.functional.batch_norm``, and that
    is what is seen to. The result and its gradients are those of one process that has all rows, up to rounding, and so
    are the running statistics. Every process must come to the layer, with no row of its own if need be.

    Args:
        processes: of the group.
        lone: whether the batch is one sample, which may be too little, as in one process.
    """

    def __init__(self, processes: int, lone: bool) -> None:
        super().__init__()
        self.processes = processes
        self.lone = lone

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
        normalized: Tensor
        normalized, mean, variance, count = _Normalized.apply(input, eps, self.processes)  # type: ignore[no-untyped-call]
        if self.lone and count == 1:
            raise ValueError("Expected more than 1 value per channel when training")
        if running_mean is not None and running_var is not None:
            unbiased = variance * (count / (count - 1))
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_(unbiased.to(running_var), momentum)
        shape = (1, -1, *(1,) * (input.ndim - 2))
        if weight is not None:
            normalized = normalized * weight.view(shape)
        if bias is not None:
            normalized = normalized + bias.view(shape)
        return normalized.to(input.dtype)


class _Normalized(torch.autograd.Function):
    """(x - mean) / sqrt(variance + eps) of each channel, in float32 or better, and mean, variance and how many."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, eps: float, processes: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        dims = [dim for dim in range(values.ndim) if dim != 1]
        own_count = values.numel() // values.shape[1]
        own_mean = values.sum(dims) / max(own_count, 1)
        own_squares = (values - _per_channel(own_mean, values)).square().sum(dims)
        own = torch.cat([own_mean.new_tensor([own_count]), own_mean, own_squares])
        parts = [torch.empty_like(own) for _ in range(processes)]
        torch.distributed.all_gather(parts, own)
        gathered = torch.stack(parts)
        counts, (means, squares) = gathered[:, :1], gathered[:, 1:].chunk(2, dim=1)
        count = counts.sum()
        mean = (counts * means).sum(dim=0) / count
        # Chan, Golub and LeVeque: no large sums are subtracted from one another.
        variance = (squares + counts * (means - mean).square()).sum(dim=0) / count
        scale = (variance + eps).rsqrt()
        normalized = (values - _per_channel(mean, values)) * _per_channel(scale, values)
        ctx.save_for_backward(normalized, scale, count)
        ctx.dims, ctx.dtype = dims, input.dtype
        ctx.mark_non_differentiable(mean, variance, count)
        return normalized, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *of_statistics: Tensor) -> tuple[Tensor, None, None]:
        normalized, scale, count = ctx.saved_tensors
        sums = torch.stack([gradient.sum(ctx.dims), (gradient * normalized).sum(ctx.dims)])
        torch.distributed.all_reduce(sums)
        mean, slope = (_per_channel(part, gradient) for part in sums / count)
        return ((gradient - mean - normalized * slope) * _per_channel(scale, gradient)).to(ctx.dtype), None, None


def _per_channel(values: Tensor, beside: Tensor) -> Tensor:
    return values.view(1, -1, *(1,) * (beside.ndim - 2))
