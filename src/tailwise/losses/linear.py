"""A linear classifier and its loss in chunks of the batch: no (B, C) logits, for very many classes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.hyperparameters import one_of, whole_number
from tailwise.losses._base import ClassificationLoss
from tailwise.losses._checks import check_target, require_tensor
from tailwise.losses._fused import keeps_graph

if TYPE_CHECKING:
    from tailwise.losses._rows_triton import TritonRows

CHUNK_LOGITS = 2**23
"""Logits of a chunk by default: 32 MiB in float32, 83 samples of 100 000 classes."""


Backend = Literal["chunked", "triton"]


def linear_loss(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    *,
    loss: ClassificationLoss,
    bias: Tensor | None = None,
    chunk: int | None = None,
    backend: Backend = "chunked",
) -> Tensor:
    """``loss(features @ weight.T + bias, target)``, of which only a chunk of the logits exists at a time.

    Value and gradients are those of the two steps, up to the order of summation, and both come from the forward pass;
    with ``reduction="none"`` the backward pass computes the logits once more. Gradients are summed over the chunks in
    float32 or better. Under autocast the products are taken in its type, as in a linear layer. A gradient of the
    gradient is refused.

    LDAM and CRI want cosines: normalise the rows of ``features`` and ``weight`` before, the gradient passes through.

    Args:
        features: (B, D), floating.
        weight: (C, D) of the classifier, of the same type.
        target: (B,) class indices, or (B, C) class probabilities, which get no gradient.
        loss: any loss that is a sum or mean over the samples, with its options; GALA in evaluation mode alone.
        bias: (C,) of the classifier; default none.
        chunk: samples whose logits are computed at a time; by default as many as have 2^23 logits, at least one.
        backend: what takes the loss of a chunk: "chunked", the loss itself; "triton", kernels on a GPU, for class
            indices. Those have no smoothing but of cross entropy, balanced softmax, SGPL and their kin, and no GALA.

    Returns:
        What ``loss`` returns: a scalar, or (B,) with ``reduction="none"``.

    Raises:
        TypeError: an argument is of another kind.
        ImportError: ``backend`` is "triton", which is not installed.
        ValueError: the shapes do not fit together, ``chunk`` is below 1, the loss is of a whole batch or gathers a
            state from one, the target wants a gradient, or the backend does not take the loss or the tensors.
        IndexError: a class index is not in 0 .. C-1 and not ``ignore_index``.
    """
    _require_sum_over_samples(loss)
    _check_shapes(features, weight, bias)
    classes = len(weight)
    check_target(target, (len(features), classes))
    if target.requires_grad:
        raise ValueError("target must not require a gradient, which linear_loss does not give it; detach it")
    if not target.is_floating_point():
        target = target.long()
    rows = max(CHUNK_LOGITS // classes, 1) if chunk is None else whole_number("chunk", chunk, at_least=1)
    one_of("backend", backend, get_args(Backend))
    chunks = _Chunks(loss, target, rows, features, classes, backend)
    wanted = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (features, weight, bias))
    if wanted:
        return _LinearLoss.apply(features, weight, bias, chunks)  # type: ignore[no-any-return, no-untyped-call]
    return chunks.run(features, weight, bias).value


class _Result(NamedTuple):
    value: Tensor
    gradients: tuple[Tensor | None, ...] = (None, None, None)


class _Chunks:
    """The loss as it is now, in parts: what is changed of it before the backward pass does not count."""

    def __init__(
        self, loss: ClassificationLoss, target: Tensor, rows: int, features: Tensor, classes: int, backend: Backend
    ) -> None:
        self.loss = copy.deepcopy(loss)
        self.is_mean = loss.reduction == "mean"
        if self.is_mean:
            self.loss.reduction = "sum"
        self.target = target
        self.rows = rows
        device = features.device
        autocast = torch.is_autocast_enabled(device.type)
        self.product_dtype = torch.get_autocast_dtype(device.type) if autocast else None
        self.kernels = None if backend == "chunked" else _kernels(self.loss, target, features, classes)

    def run(
        self,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        wanted: tuple[bool, ...] = (False, False, False),
        received: Tensor | None = None,
    ) -> _Result:
        """The loss, and its gradients by those of ``features``, ``weight`` and ``bias`` that are wanted.

        ``received`` is (B,) the gradient by the loss of each sample, where it is not reduced. A mean's gradients still
        are those of the sum: the factor comes with the one that the mean receives.
        """
        features, weight = self._for_product(features), self._for_product(weight)
        bias = None if bias is None else self._for_product(bias)
        exact = torch.promote_types(features.dtype, torch.float32)
        sums = [
            torch.zeros_like(of, dtype=exact) if of is not None and want else None
            for of, want in zip((features, weight, bias), wanted, strict=True)
        ]
        starts = range(0, max(len(features), 1), self.rows)
        reduced = self.loss.reduction != "none"
        # Allocated before the chunks: in the gap that one leaves, what stays would take the room of the next.
        values = features.new_empty(len(starts) if reduced else len(features), dtype=exact)
        with torch.autocast(features.device.type, enabled=False):
            for number, first in enumerate(starts):
                part = slice(first, first + self.rows)
                values[number if reduced else part] = self._add(part, features, weight, bias, sums, received)
        value = values.sum() if reduced else values
        return _Result(value / self.divisor(exact) if self.is_mean else value, tuple(sums))

    def divisor(self, dtype: torch.dtype) -> Tensor:
        """What the mean of the whole batch divides by; the loss itself only makes sums."""
        return self.loss.divisor(self.target, dtype)

    def _for_product(self, tensor: Tensor) -> Tensor:
        """As autocast has it, which leaves float64 alone."""
        return tensor if self.product_dtype is None or tensor.dtype == torch.float64 else tensor.to(self.product_dtype)

    def _add(
        self,
        part: slice,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        sums: list[Tensor | None],
        received: Tensor | None,
    ) -> Tensor:
        """The loss of one chunk, whose gradients join the sums. In a method, so that its logits are gone on return."""
        rows = features[part]
        logits = F.linear(rows, weight, bias)
        wanted = any(of is not None for of in sums)
        value, gradient = self._loss(logits, self.target[part], None if received is None else received[part], wanted)
        if gradient is None:
            return value
        of_features, of_weight, of_bias = sums
        if of_features is not None:
            of_features[part] = gradient @ weight
        if of_weight is not None and of_weight.dtype == gradient.dtype:
            of_weight.addmm_(gradient.T, rows)  # a product of its own would take the memory of the weight once more
        elif of_weight is not None:
            of_weight += gradient.T @ rows
        if of_bias is not None:
            of_bias += gradient.sum(dim=0, dtype=of_bias.dtype)
        return value

    def _loss(
        self, logits: Tensor, target: Tensor, received: Tensor | None, wanted: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The loss of a chunk's logits, and its gradient if it is wanted."""
        if self.kernels is not None:
            return self.kernels(logits, target, received, wanted), logits if wanted else None
        if not wanted:
            return self.loss.forward(logits, target), None
        with torch.enable_grad():
            value = self.loss.forward(logits.requires_grad_(), target)
        (gradient,) = torch.autograd.grad(value, logits, received)
        return value.detach(), gradient


class _LinearLoss(torch.autograd.Function):
    """What a reduced loss sends back is known up to a factor when the loss is."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, chunks: _Chunks) -> Tensor:
        ctx.chunks = chunks
        if chunks.loss.reduction == "none":
            ctx.save_for_backward(features, weight, bias)
            return chunks.run(features, weight, bias).value
        value, gradients = chunks.run(features, weight, bias, ctx.needs_input_grad[:3])
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("linear_loss gives no gradient of its gradient: use the loss on the logits for it")
        chunks = ctx.chunks
        if chunks.loss.reduction == "none":
            return *chunks.run(*ctx.saved_tensors, ctx.needs_input_grad[:3], grad_output).gradients, None
        factor = grad_output / chunks.divisor(grad_output.dtype) if chunks.is_mean else grad_output
        # Where the graph is kept, they are needed again; elsewhere a product would take their memory once more.
        multiply = torch.mul if keeps_graph() else Tensor.mul_
        return *(None if sums is None else multiply(sums, factor) for sums in ctx.saved_tensors), None


def _kernels(loss: ClassificationLoss, target: Tensor, features: Tensor, classes: int) -> TritonRows:
    try:
        from tailwise.losses._rows_triton import INTERPRETED, TritonRows
    except ImportError as error:
        raise ImportError('backend "triton" needs triton, which is not installed; use backend "chunked"') from error
    if target.is_floating_point():
        raise ValueError('backend "triton" takes class indices, got class probabilities; use backend "chunked"')
    if not features.is_cuda and not INTERPRETED:
        raise ValueError(f'backend "triton" takes tensors on a GPU, got {features.device}; use backend "chunked"')
    return TritonRows(loss, classes, features.device, torch.promote_types(features.dtype, torch.float32))


def _require_sum_over_samples(loss: ClassificationLoss) -> None:
    if not isinstance(loss, ClassificationLoss):
        raise TypeError(f"loss must be one of tailwise.losses, got {type(loss).__name__}; build_loss makes one by name")
    name = type(loss).__name__
    if not loss.sums_samples:
        raise ValueError(
            f"linear_loss takes losses that are sums over samples, got {name}, one of a whole batch: use it "
            "on the logits"
        )
    if any(parameter.requires_grad for parameter in loss.parameters()):
        raise ValueError(f"linear_loss has no gradient for the parameters of {name}: use it on the logits")
    if loss.needs_features:
        raise ValueError(f"linear_loss hands no features on to a loss, which {name} needs: use it on the logits")
    if loss.training and loss.gathered:
        raise ValueError(
            f"linear_loss shows a loss no whole batch, from which {name} gathers its state in training: use it on the "
            "logits, or call its eval()"
        )


def _check_shapes(features: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    for name, given in (("features", features), ("weight", weight), *(() if bias is None else (("bias", bias),))):
        require_tensor(name, given)
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"features must be floating of shape (B, D), got {features.dtype} of shape {tuple(features.shape)}; "
            "flatten further dimensions into B"
        )
    size = features.shape[1]
    if weight.ndim != 2 or weight.shape[1] != size or not len(weight):
        raise ValueError(
            f"weight must be of shape (C, {size}) for features of size {size}, got {tuple(weight.shape)}; give it as a "
            "linear layer holds it"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias must be of shape ({len(weight)},), one entry a class, got {tuple(bias.shape)}")
