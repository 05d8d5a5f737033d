"""The Triton kernels against the losses themselves: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from loss_cases import CASES, LossCase, counts_for
from tailwise.losses import ClassificationLoss, FocalLoss, LDAMLoss, SGPLLoss, build_loss, linear_loss

if sys.platform == "linux":
    from tailwise.losses import _rows_triton
else:
    pytest.skip("Triton is made for Linux alone", allow_module_level=True)

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH, SIZE = 6, 4
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "unsmoothed": {"label_smoothing": 0.0},
    "weighted and smoothed": {"weight": "descending", "label_smoothing": 0.2},
    "ignoring": {"ignore_index": 1},
    "none": {"reduction": "none", "weight": "descending"},
}


def build(case: LossCase, classes: int, options: dict[str, Any]) -> ClassificationLoss:
    options = dict(options)
    if options.get("weight") == "descending":
        options["weight"] = torch.linspace(2, 0.5, classes, dtype=torch.float64)
    return case.build(counts_for(classes), **options).to(DEVICE)


def results(
    loss: ClassificationLoss, backend: Any, classes: int = 5, dtype: torch.dtype = torch.float64, scale: float = 1.0
) -> tuple[Tensor, ...]:
    """Value, and gradients of features, weight and bias."""
    source = torch.Generator().manual_seed(0)
    sizes = [(BATCH, SIZE), (classes, SIZE), (classes,)]
    features, weight, bias = (
        torch.randn(size, generator=source, dtype=torch.float64).mul(scale).to(DEVICE, dtype).requires_grad_()
        for size in sizes
    )
    target = torch.randint(classes, (BATCH,), generator=source).to(DEVICE)
    value = linear_loss(features, weight, target, loss=loss, bias=bias, chunk=4, backend=backend)
    with torch.no_grad():
        again = linear_loss(features, weight, target, loss=loss, bias=bias, chunk=4, backend=backend)
    assert torch.equal(value, again)
    factors = torch.linspace(1, 2, value.numel(), dtype=value.dtype, device=DEVICE).view_as(value)
    return value.detach(), *torch.autograd.grad((value * factors).sum(), (features, weight, bias))


def has_kernel(loss: ClassificationLoss) -> bool:
    try:
        _rows_triton.TritonRows(loss, 5, DEVICE, torch.float64)
    except ValueError:
        return False
    return True


COMBINATIONS = [
    pytest.param(case, options, id=f"{case.label}-{name}")
    for case in CASES
    for name, options in OPTIONS.items()
    if (case.smoothable or "label_smoothing" not in options)
    and case.naive is not None
    and has_kernel(build(case, 5, options))
]


@pytest.mark.parametrize(("case", "options"), COMBINATIONS)
def test_value_and_gradients_are_those_of_the_loss_itself(case: LossCase, options: dict[str, Any]) -> None:
    loss = build(case, 5, options)
    torch.testing.assert_close(results(loss, "triton"), results(loss, "chunked"), rtol=1e-9, atol=1e-10)


def test_every_loss_without_smoothing_or_state_has_kernels() -> None:
    missing = {c.label for c in CASES if c.smoothable and not has_kernel(build(c, 5, {"label_smoothing": 0.0}))}
    # A state, a factor for each class, and what tensor operations alone compute.
    assert {label.partition("(")[0] for label in missing} == {"gala", "vs", "logit_adjusted"}
    assert "logit_adjusted(tau=1.5)" not in missing


COMPILE = """
from itertools import product
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from tailwise.losses import _rows_triton

numbers = {"logits": "*bf16", "labels": "*i64", "classes": "i32"}
for kernel, given in product((_rows_triton._summarise, _rows_triton._differentiate), (True, False)):
    fixed = {"scale": 30.0, "dtype": tl.float32, "smoothed": given, "block": 4096}
    fixed |= {} if given else dict.fromkeys(("offset", "margin", "weight"))
    names = kernel.arg_names
    types = {name: "constexpr" if name in fixed else numbers.get(name, "*fp32") for name in names}
    source = ASTSource(kernel, types, {(names.index(name),): value for name, value in fixed.items()})
    assert compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
"""


def test_kernels_compile_for_a_gpu_though_there_is_none(tmp_path: Path) -> None:
    """The interpreter takes what the compiler refuses."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True)


@pytest.mark.parametrize("name", ["sgpl", "ldam"])
def test_rows_of_several_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows_triton, "BLOCK", 16)
    loss = build_loss(name, counts_for(50), weight=torch.linspace(2, 0.5, 50, dtype=torch.float64)).to(DEVICE)
    found, expected = results(loss, "triton", classes=50), results(loss, "chunked", classes=50)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
def test_lower_precision_is_off_by_its_own_rounding_alone(dtype: torch.dtype, tolerance: float) -> None:
    loss = SGPLLoss(counts_for(5)).to(DEVICE)
    found, expected = results(loss, "triton", dtype=dtype), results(loss, "chunked", dtype=dtype)
    for near, wanted in zip(found, expected, strict=True):
        assert near.dtype == wanted.dtype
        torch.testing.assert_close(near, wanted, rtol=0, atol=tolerance * float(wanted.abs().max()))


def test_large_logits_stay_finite() -> None:
    for result in results(SGPLLoss(counts_for(5)).to(DEVICE), "triton", dtype=torch.float32, scale=1e14):
        assert result.isfinite().all()


def test_surely_right_sample_has_no_loss_at_any_size_of_its_logit() -> None:
    weight = torch.zeros(5, 1, device=DEVICE)
    weight[2] = 1
    features, target = torch.linspace(1e3, 1e5, 64, device=DEVICE).unsqueeze(1), torch.full((64,), 2, device=DEVICE)
    loss = LDAMLoss(counts_for(5)).to(DEVICE)
    assert linear_loss(features, weight, target, loss=loss, backend="triton") == 0


def test_batch_of_ignored_samples_and_empty_batch_give_zero() -> None:
    weight = torch.ones(5, SIZE, device=DEVICE, requires_grad=True)
    for batch in (0, 3):
        features, target = torch.ones(batch, SIZE, device=DEVICE), torch.full((batch,), -100, device=DEVICE)
        value = linear_loss(features, weight, target, loss=FocalLoss(), backend="triton")
        (gradient,) = torch.autograd.grad(value, weight)
        assert value == 0
        assert (gradient == 0).all()


@pytest.mark.skipif(DEVICE.type == "cuda", reason="a GPU reports it later, and takes no more work")
def test_class_index_out_of_range_is_refused() -> None:
    with pytest.raises((IndexError, RuntimeError), match="5 is out of bounds"):
        linear_loss(torch.zeros(1, 2), torch.zeros(5, 2), torch.tensor([5]), loss=FocalLoss(), backend="triton")


@pytest.mark.parametrize(
    ("name", "options"), [("asl", {}), ("cyclical_focal", {"epochs": 3}), ("focal", {"label_smoothing": 0.1})]
)
def test_formula_without_kernels_is_refused(name: str, options: dict[str, Any]) -> None:
    loss = build_loss(name, **options).to(DEVICE)
    with pytest.raises(
        ValueError, match=f'no kernel for {type(loss).__name__} with these options; use backend "chunked"'
    ):
        results(loss, "triton")


def test_soft_target_is_refused() -> None:
    with pytest.raises(ValueError, match='takes class indices, got class probabilities; use backend "chunked"'):
        linear_loss(torch.zeros(1, 2), torch.zeros(5, 2), torch.ones(1, 5), loss=FocalLoss(), backend="triton")


def test_tensors_on_a_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows_triton, "INTERPRETED", False)
    with pytest.raises(ValueError, match='takes tensors on a GPU, got cpu; use backend "chunked"'):
        linear_loss(torch.zeros(1, 2), torch.zeros(5, 2), torch.tensor([0]), loss=FocalLoss(), backend="triton")


def test_triton_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tailwise.losses._rows_triton", None)
    with pytest.raises(
        ImportError, match='backend "triton" needs triton, which is not installed; use backend "chunked"'
    ):
        linear_loss(torch.zeros(1, 2), torch.zeros(5, 2), torch.tensor([0]), loss=FocalLoss(), backend="triton")


def test_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match='backend must be "chunked" or "triton", got \'cuda\''):
        results(FocalLoss(), "cuda")
