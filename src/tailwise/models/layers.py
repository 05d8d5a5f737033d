"""Layers that small networks spend their time in: pooling with ReLU, batch normalisation with ReLU, few channels.

What stands between two convolutions takes a third of a small network's training on a CPU, most of it reading and
writing the same numbers again for every operation; and convolutions of one or six channels leave most of a processor's
vectors empty in the libraries. For float32 on a CPU the compiled module ``_layers`` does better. Without the module,
which a C compiler builds when the package is installed, on a GPU and for other types, torch's operations compute the
same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.compiled import nothing_traces, share_torchs_threads

try:
    from tailwise.models import _layers
except ImportError:
    _layers = None  # type: ignore[assignment]


SHARED = share_torchs_threads(_layers)
PARALLEL_SIZE = 2**15
"""Numbers from which on several threads share them; below, waking them takes longer than the work."""


class PoolReLU(nn.Module):
    """2x2 max pooling, then ReLU: the two commute, and a quarter of the values remain for it. Same for any layout."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H // 2, W // 2) of (B, channels, H, W)."""
        if _can_compile(images) and min(images.shape[2:]) > 1:
            pooled: Tensor = _PoolReLU.apply(images)  # type: ignore[no-untyped-call]
            return pooled
        return _pool_relu(images)


class FewChannelConv2d(nn.Conv2d):
    """``torch.nn.Conv2d`` for square kernels of 3 or 5 without stride, over few channels: the first layers of a LeNet.

    Images in the plain layout take the compiled path.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Literal[3, 5], padding: int = 0) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=padding)

    def forward(self, images: Tensor) -> Tensor:
        """(B, out_channels, H', W') of (B, in_channels, H, W)."""
        compiled = (
            hasattr(_layers, "convolve")
            and _can_compile(images)
            and images.is_contiguous()
            and images.shape[1] == self.in_channels
            and min(images.shape[2:]) + 2 * self._pad >= self.kernel_size[0]
            and self._pad < self.kernel_size[0]
            and self.weight.dtype is torch.float32
            and self.weight.is_cpu
        )
        if not compiled:
            return super().forward(images)
        assert self.bias is not None
        convolved: Tensor = _Convolution.apply(images, self.weight, self.bias, self._pad)  # type: ignore[no-untyped-call]
        return convolved

    @property
    def _pad(self) -> int:
        assert isinstance(self.padding[0], int)
        return self.padding[0]


class NormReLU(nn.BatchNorm2d):
    """Batch normalisation, an optional addition, then ReLU: ``relu(norm(images) + added)``.

    It has the parameters, the buffers and the arguments of ``torch.nn.BatchNorm2d``. Channels-last images take the
    compiled path in training.
    """

    def forward(self, images: Tensor, added: Tensor | None = None) -> Tensor:
        """Of the shape of ``images`` (B, C, H, W)."""
        compiled = (
            self.training
            and _can_compile(images)
            and images.is_contiguous(memory_format=torch.channels_last)
            and images.numel() > images.shape[1]  # torch refuses one value per channel
            and (added is None or (_can_compile(added) and added.shape == images.shape))
            and self.weight is not None
            and self.weight.dtype is torch.float32
            and self.weight.is_cpu
            and self.track_running_stats
            and self.momentum is not None
            and not torch._C._is_torch_function_mode_enabled()  # which may want to see the normalisation
        )
        if not compiled:
            return _relu_of_sum(super().forward(images), added)
        result, (mean, variance) = _NormReLU.apply(images, added, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        normalized: Tensor = result
        return normalized


def _can_compile(images: Tensor) -> bool:
    """Whether the module takes them: float32 (B, C, H, W) on the CPU, nothing that traces."""
    return (
        _layers is not None
        and type(images) is Tensor
        and images.dtype is torch.float32
        and images.is_cpu
        and images.dim() == 4
        and images.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and nothing_traces()
    )


def _pool_relu(images: Tensor) -> Tensor:
    return F.relu(F.max_pool2d(images, 2))


def _relu_of_sum(images: Tensor, added: Tensor | None) -> Tensor:
    return F.relu(images if added is None else images + added, inplace=True)


class _PoolReLU(torch.autograd.Function):
    """By the compiled module; a gradient of the gradient is left to torch's operations."""

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        layout = _layout(images)
        images = images.contiguous(memory_format=layout)
        batch, channels, height, width = images.shape
        pooled = torch.empty((batch, channels, height // 2, width // 2), memory_format=layout)
        which = torch.empty(pooled.shape, dtype=torch.uint8, memory_format=layout)
        _layers.pool(
            *(
                (*_sides(images, layout, rows), *_images(first, images, pooled, which))
                for first, rows in _parts(batch, images[0].numel())
            )
        )
        ctx.save_for_backward(images, which)
        return pooled

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        images, which = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _again(lambda: _pool_relu(images), [images], grad_output)[0]
        layout = _layout(images)
        gradient = torch.empty_like(images)
        grad_output = grad_output.contiguous(memory_format=layout)
        _layers.pool_gradient(
            *(
                (*_sides(images, layout, rows), *_images(first, grad_output, which, gradient))
                for first, rows in _parts(len(images), images[0].numel())
            )
        )
        return gradient


class _Convolution(torch.autograd.Function):
    """By the compiled module; the gradient by the images is a convolution itself, with the kernel turned around."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(images, weight, bias)
        ctx.padding = padding
        return _convolved(images, weight, bias, padding)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, bias = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = [images, weight, bias]
            return (*_again(lambda: F.conv2d(images, weight, bias, padding=ctx.padding), inputs, grad_output), None)
        grad_output = grad_output.contiguous()
        by_images = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(2, 3).transpose(0, 1).contiguous()
            by_images = _convolved(grad_output, turned, None, weight.shape[2] - 1 - ctx.padding)
        by_weight = None
        if ctx.needs_input_grad[1]:
            parts = _parts(len(images), images[0].numel())
            sums = weight.new_empty(len(parts), *weight.shape)
            _layers.convolve_gradient(
                *(
                    (
                        *_sizes(images, rows, weight, ctx.padding),
                        *_images(first, images, grad_output),
                        of_part.data_ptr(),
                    )
                    for (first, rows), of_part in zip(parts, sums, strict=True)
                )
            )
            by_weight = sums.sum(dim=0)
        return by_images, by_weight, grad_output.sum(dim=(0, 2, 3)), None


def _convolved(images: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    weight = weight.contiguous()
    lost = weight.shape[2] - 1 - 2 * padding
    result = images.new_empty(len(images), len(weight), images.shape[2] - lost, images.shape[3] - lost)
    constants = (weight.data_ptr(), 0 if bias is None else bias.data_ptr())
    _layers.convolve(
        *(
            (*_sizes(images, rows, weight, padding), *_images(first, images), *constants, *_images(first, result))
            for first, rows in _parts(len(images), images[0].numel())
        )
    )
    return result


def _sizes(images: Tensor, number: int, weight: Tensor, padding: int) -> tuple[int, ...]:
    """Of a convolution of so many of the images, as ``_layers.c`` counts them."""
    return (number, *images.shape[1:], len(weight), weight.shape[2], padding)


def _images(first: int, *tensors: Tensor) -> list[int]:
    """Addresses of image ``first`` in tensors of images that lie one after the other."""
    return [tensor.data_ptr() + tensor.element_size() * tensor[0].numel() * first for tensor in tensors]


class _NormReLU(torch.autograd.Function):
    """By the compiled module, with mean and unbiased variance (2, C) of the batch beside the result."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor]:
        if added is not None:
            added = added.contiguous(memory_format=torch.channels_last)
        channels = images.shape[1]
        constants, moments = torch.empty(2, 2, channels)
        kept = torch.empty(2, channels, dtype=torch.float64)
        result = torch.empty_like(images)
        _layers.norm(
            *(*_rows_of(images), images.data_ptr(), _address_of(added), weight.data_ptr(), bias.data_ptr(), eps),
            *(constants.data_ptr(), moments.data_ptr(), kept.data_ptr(), result.data_ptr()),
        )
        ctx.save_for_backward(images, added, weight, bias, None if added is None else result, constants, kept)
        ctx.eps = eps
        ctx.mark_non_differentiable(moments)
        return result, moments

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor, *unused: Tensor) -> tuple[Tensor | None, ...]:
        images, added, weight, bias, result, constants, kept = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _norm_again(ctx.eps, images, added, weight, bias, grad_output)
        grad_output = grad_output.contiguous(memory_format=torch.channels_last)
        opened = None if added is None else torch.empty_like(added)
        by_images = torch.empty_like(images)
        by_parameters = torch.empty(2, images.shape[1])
        _layers.norm_gradient(
            *(*_rows_of(images), images.data_ptr(), grad_output.data_ptr(), _address_of(result), weight.data_ptr()),
            *(constants.data_ptr(), kept.data_ptr(), _address_of(opened), by_images.data_ptr()),
            by_parameters.data_ptr(),
        )
        return by_images, opened, *by_parameters, None


def _layout(images: Tensor) -> torch.memory_format:
    """Channels-last only where it is not plain as well."""
    if not images.is_contiguous() and images.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return torch.contiguous_format


def _sides(images: Tensor, layout: torch.memory_format, batch: int) -> tuple[int, int, int, int]:
    """Number of images, their height and width, and the numbers that lie together, as ``_layers.c`` counts them."""
    _, channels, height, width = images.shape
    return (batch, height, width, channels) if layout is torch.channels_last else (batch * channels, height, width, 1)


def _rows_of(images: Tensor) -> tuple[int, int, int]:
    """Rows of channels, channels, and into how many parts the rows go, as ``_layers.c`` counts them."""
    channels = images.shape[1]
    rows = images.numel() // channels
    return rows, channels, len(_parts(rows, channels))


def _address_of(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _parts(rows: int, size: int) -> list[tuple[int, int]]:
    """First row and number of rows of what each thread takes of rows of ``size`` numbers."""
    if not SHARED or rows * size < PARALLEL_SIZE:
        return [(0, rows)]
    threads = max(min(torch.get_num_threads(), rows), 1)
    return [(first, end - first) for first, end in pairwise(rows * part // threads for part in range(threads + 1))]


def _norm_again(
    eps: float, images: Tensor, added: Tensor | None, weight: Tensor, bias: Tensor, grad_output: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients with a graph of their own."""
    inputs = [tensor for tensor in (images, added, weight, bias) if tensor is not None]

    def forward() -> Tensor:
        return _relu_of_sum(F.batch_norm(images, None, None, weight, bias, training=True, eps=eps), added)

    by_images, *by_added, by_weight, by_bias = _again(forward, inputs, grad_output)
    return by_images, by_added[0] if by_added else None, by_weight, by_bias, None


def _again(forward: Any, inputs: list[Tensor], grad_output: Tensor) -> list[Tensor]:
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    found = iter(torch.autograd.grad(forward(), wanted, grad_output, create_graph=True))
    return [next(found) if tensor.requires_grad else torch.zeros_like(tensor) for tensor in inputs]
