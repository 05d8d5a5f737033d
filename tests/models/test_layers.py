"""The layers between convolutions: the compiled path against torch's own modules."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.models import layers
from tailwise.models.layers import FewChannelConv2d, NormReLU, PoolReLU

needs_module = pytest.mark.skipif(layers._layers is None, reason="needs the compiled module; install a C compiler")
LAYOUTS = pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["plain", "last"])


def images(*shape: int, layout: torch.memory_format = torch.channels_last, seed: int = 0) -> Tensor:
    """Whole and half numbers, so that there are ties and zeros."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-6, 7, shape, generator=generator).float() / 2
    return values.contiguous(memory_format=layout).requires_grad_()


def gradients(result: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """By the inputs, of a sum with unequal factors."""
    factors = torch.linspace(-1, 2, result.numel(), dtype=result.dtype).view(result.shape)
    return torch.autograd.grad((result * factors).sum(), inputs)


def torch_norm(norm: NormReLU) -> nn.BatchNorm2d:
    """Torch's module with the state of ``norm``, in float64."""
    exact = nn.BatchNorm2d(norm.num_features, norm.eps, norm.momentum).double()
    exact.load_state_dict(norm.state_dict())
    return exact


def norm_of(channels: int) -> NormReLU:
    norm = NormReLU(channels)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels, generator=generator))
        norm.bias.copy_(torch.randn(channels, generator=generator))
    return norm


@needs_module
@LAYOUTS
@pytest.mark.parametrize("shape", [(3, 5, 8, 8), (2, 20, 7, 9), (1, 1, 2, 2), (4, 1, 6, 5)])
def test_pooling_and_its_gradient_are_those_of_torch(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    given = images(*shape, layout=layout)
    found, wanted = PoolReLU()(given), F.relu(F.max_pool2d(given, 2))
    assert type(found.grad_fn).__name__ == "_PoolReLUBackward"
    assert torch.equal(found, wanted)
    assert found.stride() == wanted.stride()
    assert torch.equal(gradients(found, given)[0], gradients(wanted, given)[0])


@needs_module
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("sizes", [(1, 6, 28, 28), (6, 16, 14, 14), (3, 9, 5, 8), (2, 1, 6, 5)], ids=str)
def test_convolution_and_its_gradients_are_those_of_torch(
    kernel: Literal[3, 5], padding: int, sizes: tuple[int, int, int, int]
) -> None:
    channels, filters, height, width = sizes
    torch.manual_seed(0)
    layer = FewChannelConv2d(channels, filters, kernel, padding)
    exact = nn.Conv2d(channels, filters, kernel, padding=padding).double()
    exact.load_state_dict(layer.state_dict())
    given = images(3, channels, height, width, layout=torch.contiguous_format)
    doubled = given.detach().double().requires_grad_()
    found, wanted = layer(given), exact(doubled)
    assert type(found.grad_fn).__name__ == "_ConvolutionBackward"
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)
    by = gradients(found, given, layer.weight, layer.bias)
    exact_by = gradients(wanted, doubled, exact.weight, exact.bias)
    torch.testing.assert_close([one.double() for one in by], list(exact_by), atol=1e-4, rtol=1e-5)


@needs_module
@LAYOUTS
def test_pooling_passes_nan_on(layout: torch.memory_format) -> None:
    for place in range(4):
        given = images(1, 3, 4, 4, layout=layout).detach()
        given[0, 1, 2 + place // 2, place % 2] = torch.nan
        found = PoolReLU()(given)
        assert found[0, 1, 1, 0].isnan()
        assert int(found.isnan().sum()) == 1


@needs_module
@pytest.mark.parametrize("channels", [1, 16, 21, 64])
@pytest.mark.parametrize("with_added", [False, True])
def test_norm_and_its_gradients_are_those_of_torch(channels: int, with_added: bool) -> None:
    norm = norm_of(channels)
    exact = torch_norm(norm)
    given = images(5, channels, 9, 7)
    added = images(5, channels, 9, 7, seed=2) if with_added else None
    for _ in range(2):
        found = norm(given, added)
        doubled = given.detach().double().requires_grad_()
        more = None if added is None else added.detach().double().requires_grad_()
        wanted = F.relu(exact(doubled) if more is None else exact(doubled) + more)
        assert type(found.grad_fn).__name__ == "_NormReLUBackward"
        torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)
    inputs = (given, norm.weight, norm.bias) + (() if added is None else (added,))
    exact_inputs = (doubled, exact.weight, exact.bias) + (() if more is None else (more,))
    for by, exact_by in zip(gradients(found, *inputs), gradients(wanted, *exact_inputs), strict=True):
        torch.testing.assert_close(by.double(), exact_by, atol=2e-5, rtol=1e-5)
    for name, buffer in exact.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name).to(buffer), buffer, atol=1e-6, rtol=1e-6)


@needs_module
def test_variance_of_values_far_from_zero_is_exact() -> None:
    given = (images(8, 16, 24, 24).detach() + 3000).requires_grad_()
    norm = norm_of(16)
    wanted = F.relu(torch_norm(norm)(given.double()))
    torch.testing.assert_close(norm(given).double(), wanted, atol=2e-3, rtol=1e-4)


@needs_module
def test_threads_share_the_images_of_a_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = FewChannelConv2d(2, 6, 5, padding=2)
    given = images(5, 2, 9, 7, layout=torch.contiguous_format)
    alone = layer(given)
    expected = (alone, *gradients(alone, given, layer.weight, layer.bias))
    monkeypatch.setattr(layers, "PARALLEL_SIZE", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    shared = layer(given)
    found = (shared, *gradients(shared, given, layer.weight, layer.bias))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@needs_module
@pytest.mark.parametrize("with_added", [False, True])
def test_threads_share_the_rows_of_a_norm(with_added: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    norm = norm_of(16)
    given, added = images(5, 16, 9, 7), images(5, 16, 9, 7, seed=2) if with_added else None
    inputs = (given, norm.weight, norm.bias) + (() if added is None else (added,))
    alone = norm(given, added)
    expected = (alone, *gradients(alone, *inputs))
    monkeypatch.setattr(layers, "PARALLEL_SIZE", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    shared = norm(given, added)
    torch.testing.assert_close((shared, *gradients(shared, *inputs)), expected, atol=1e-5, rtol=1e-5)


def test_parts_of_a_layer_cover_all_rows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert layers._parts(10, 1) == [(0, 10)]
    monkeypatch.setattr(layers, "SHARED", True)
    monkeypatch.setattr(layers, "PARALLEL_SIZE", 0)
    assert layers._parts(10, 1) == [(0, 3), (3, 3), (6, 4)]
    assert layers._parts(2, 1) == [(0, 1), (1, 1)]


@needs_module
def test_module_refuses_what_it_cannot_take() -> None:
    assert layers._layers is not None
    with pytest.raises(TypeError, match="pool takes tuples of 7 numbers"):
        layers._layers.pool((1, 2))
    with pytest.raises(TypeError, match="norm takes 12 arguments, got 2"):
        layers._layers.norm(1, 2)
    with pytest.raises(ValueError, match="the kernel must be 3 or 5"):
        layers._layers.convolve((1, 1, 8, 8, 1, 4, 0, 0, 0, 0, 0))


@needs_module
@pytest.mark.parametrize("layer", [PoolReLU(), norm_of(4), FewChannelConv2d(4, 2, 3)], ids=["pool", "norm", "conv"])
def test_gradient_of_the_gradient_is_that_of_torch(layer: nn.Module) -> None:
    layout = torch.contiguous_format if isinstance(layer, nn.Conv2d) else torch.channels_last
    given = images(3, 4, 4, 4, layout=layout)
    doubled = given.detach().double().requires_grad_()
    exact = PoolReLU() if isinstance(layer, PoolReLU) else copy.deepcopy(layer).double()
    seconds = []
    for module, inputs in ((layer, given), (exact, doubled)):
        (first,) = torch.autograd.grad(module(inputs).square().sum(), inputs, create_graph=True)
        seconds.append(torch.autograd.grad(first.square().sum(), inputs)[0].double())
    torch.testing.assert_close(*seconds, atol=1e-4, rtol=1e-4)


@needs_module
def test_other_layouts_types_and_modes_go_by_torchs_operations() -> None:
    norm = norm_of(4)
    exact = torch_norm(norm)
    plain = images(3, 4, 6, 6, layout=torch.contiguous_format)
    torch.testing.assert_close(norm(plain).double(), F.relu(exact(plain.double())), atol=1e-6, rtol=1e-6)
    norm.eval()
    exact.eval()
    last = images(3, 4, 6, 6)
    found: Any = norm(last, last)
    assert type(found.grad_fn).__name__ != "_NormReLUBackward"
    torch.testing.assert_close(found.double(), F.relu(exact(last.double()) + last), atol=1e-6, rtol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(PoolReLU()(last), F.relu(F.max_pool2d(last, 2)))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm_of(4)(images(1, 4, 1, 1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("training", [False, True])
def test_traced_network_computes_what_it_is_given(training: bool) -> None:
    network = nn.Sequential(FewChannelConv2d(2, 6, 3), PoolReLU(), NormReLU(6)).train(training)
    given = images(3, 2, 8, 8, layout=torch.contiguous_format).detach()
    traced: Any = torch.jit.trace(network, torch.zeros(3, 2, 8, 8), check_trace=False)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(traced(given), network(given))


def test_without_the_module_torchs_operations_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_layers", None)
    layer, plain = FewChannelConv2d(4, 2, 3), images(3, 4, 6, 6, layout=torch.contiguous_format)
    assert torch.equal(layer(plain), F.conv2d(plain, layer.weight, layer.bias))
    norm, given = norm_of(4), images(3, 4, 6, 6)
    exact = torch_norm(norm)
    torch.testing.assert_close(norm(given).double(), F.relu(exact(given.double())), atol=1e-6, rtol=1e-6)
    assert torch.equal(PoolReLU()(given), F.relu(F.max_pool2d(given, 2)))
