"""``linear_loss`` against the two steps that it stands for, a linear layer and a loss of its logits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from loss_cases import CASES, LossCase, counts_for
from tailwise.losses import (
    LOSSES,
    ClassificationLoss,
    CrossEntropyLoss,
    CyclicalFocalLoss,
    FocalLoss,
    GALALoss,
    build_loss,
    linear_loss,
)

BENCHMARK = Path(__file__).parents[2] / "benchmarks/linear_loss.py"
BATCH, SIZE, CLASSES = 13, 7, 5
SUMS = [
    case
    for case in CASES
    if case.naive is not None and not LOSSES[case.name].cls.needs_features and "learnable" not in case.arguments
]
every_sum = pytest.mark.parametrize("case", SUMS, ids=lambda case: case.label)
one_of_each = pytest.mark.parametrize(
    "case", [next(case for case in SUMS if case.name == name) for name in sorted({c.name for c in SUMS})],
    ids=lambda case: case.name,
)  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"weight": [2.0, 0.5, 1.0, 0.0, 3.0]},
    "weighted and smoothed": {"weight": [2.0, 0.5, 1.0, 0.0, 3.0], "label_smoothing": 0.2},
    "ignoring": {"ignore_index": 1},
    "sum": {"reduction": "sum", "weight": [2.0, 0.5, 1.0, 0.0, 3.0]},
    "none": {"reduction": "none", "weight": [2.0, 0.5, 1.0, 0.0, 3.0]},
}
every_option = pytest.mark.parametrize(
    ("case", "options"),
    [
        pytest.param(case, options, id=f"{case.label}-{name}")
        for case in SUMS
        for name, options in OPTIONS.items()
        if case.smoothable or "label_smoothing" not in options
    ],
)
Parts = tuple[Tensor, Tensor, Tensor | None]


def parts(dtype: torch.dtype = torch.float64, bias: bool = True, batch: int = BATCH) -> Parts:
    """Features, and weight and bias of a classifier."""
    source = torch.Generator().manual_seed(0)
    sizes = [(batch, SIZE), (CLASSES, SIZE), (CLASSES,)]
    made = [torch.randn(size, generator=source, dtype=torch.float64).to(dtype).requires_grad_() for size in sizes]
    return made[0], made[1], made[2] if bias else None


def hard_target() -> Tensor:
    return torch.randint(CLASSES, (BATCH,), generator=torch.Generator().manual_seed(1))


def soft_target(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(BATCH, CLASSES, generator=torch.Generator().manual_seed(1), dtype=dtype).softmax(dim=1)


def in_two_steps(loss: ClassificationLoss, given: Parts, target: Tensor) -> Tensor:
    features, weight, bias = given
    value: Tensor = loss(F.linear(features, weight, bias), target)
    return value


def in_chunks(loss: ClassificationLoss, given: Parts, target: Tensor, chunk: int | None = 4) -> Tensor:
    features, weight, bias = given
    return linear_loss(features, weight, target, loss=loss, bias=bias, chunk=chunk)


def with_gradients(value: Tensor, given: Parts) -> tuple[Tensor, ...]:
    factors = torch.linspace(1, 2, value.numel(), dtype=value.dtype, device=value.device).view_as(value)
    wanted = [tensor for tensor in given if tensor is not None]
    return value.detach(), *torch.autograd.grad((value * factors).sum(), wanted)


def assert_same(loss: ClassificationLoss, given: Parts, target: Tensor, chunk: int | None = 4, **near: float) -> None:
    found = with_gradients(in_chunks(loss, given, target, chunk), given)
    wanted = with_gradients(in_two_steps(loss, given, target), given)
    torch.testing.assert_close(found, wanted, **near)


@every_option
def test_value_and_gradients_are_those_of_the_two_steps(case: LossCase, options: dict[str, Any]) -> None:
    loss = case.build(counts_for(CLASSES), **options)
    assert_same(loss, parts(), hard_target(), rtol=1e-11, atol=1e-12)
    assert_same(loss, parts(torch.float32), hard_target(), rtol=1e-4, atol=1e-5)


@every_option
def test_of_a_soft_target_as_well(case: LossCase, options: dict[str, Any]) -> None:
    assert_same(case.build(counts_for(CLASSES), **options), parts(), soft_target(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("chunk", [1, 5, BATCH, 100, None])
@pytest.mark.parametrize("bias", [True, False])
def test_chunks_of_any_size(reduction: Any, chunk: int | None, bias: bool) -> None:
    loss = FocalLoss(weight=[2.0, 0.5, 1.0, 0.0, 3.0], ignore_index=2, reduction=reduction)
    assert_same(loss, parts(bias=bias), hard_target(), chunk, rtol=1e-11, atol=1e-12)


def test_peak_memory_is_at_most_a_tenth_of_that_of_the_two_steps(tmp_path: Path) -> None:
    setting = "--batch 2000 --classes 20000 --features 16 --chunk 20 --device cpu --threads 1 --repeats 1 --out"
    command = [sys.executable, str(BENCHMARK), *setting.split(), str(tmp_path / "found.json")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["medians"]["plain"]["peak_bytes"] > 2000 * 20_000 * 4  # the logits
    assert found["of_plain"]["chunked"]["peak_bytes"] <= 0.1


@one_of_each
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradients_pass_gradcheck(case: LossCase, reduction: str) -> None:
    loss = case.build(counts_for(CLASSES), reduction=reduction)
    if case.stops_gradient:
        pytest.skip("held to golden gradients instead")
    assert torch.autograd.gradcheck(lambda *given: in_chunks(loss, given, hard_target()), parts(), fast_mode=True)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_only_the_gradients_that_are_wanted_come_back(reduction: Any, frozen: int) -> None:
    given = parts()
    kept = given[frozen]
    assert kept is not None
    kept.requires_grad_(False)
    value = in_chunks(FocalLoss(reduction=reduction), given, hard_target())
    value.sum().backward()
    assert [tensor is not None and tensor.grad is None for tensor in given] == [n == frozen for n in range(3)]


def test_without_a_gradient_only_the_value_comes() -> None:
    expected = in_two_steps(FocalLoss(), parts(), hard_target()).detach()
    with torch.no_grad():
        value = in_chunks(FocalLoss(), parts(), hard_target())
    assert not value.requires_grad
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_half_precision_is_off_by_its_own_rounding_alone(dtype: torch.dtype, reduction: Any) -> None:
    loss = FocalLoss(reduction=reduction)
    given = parts(dtype)
    wide = tuple(t.detach().double().requires_grad_() for t in given if t is not None)
    found = with_gradients(in_chunks(loss, given, hard_target()), given)
    exact = with_gradients(in_two_steps(loss, (wide[0], wide[1], wide[2]), hard_target()), (wide[0], wide[1], wide[2]))
    assert found[0].dtype == torch.float32
    assert [gradient.dtype for gradient in found[1:]] == [dtype] * 3
    for near, wanted in zip(found, exact, strict=True):
        torch.testing.assert_close(near.double(), wanted, rtol=0, atol=8 * torch.finfo(dtype).eps * wanted.abs().max())


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_autocast_takes_the_products_in_its_type_and_the_loss_in_float32(reduction: Any) -> None:
    loss, given = FocalLoss(reduction=reduction), parts(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, wanted = in_chunks(loss, given, hard_target()), in_two_steps(loss, given, hard_target())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted)  # to more digits than bfloat16 has
    for near, expected in zip(with_gradients(found, given), with_gradients(wanted, given), strict=True):
        assert near.dtype == torch.float32
        torch.testing.assert_close(near, expected, rtol=0, atol=2e-2 * float(expected.abs().max()))


def test_gradients_of_many_chunks_lose_nothing_in_half_precision() -> None:
    features = torch.ones(512, 1, dtype=torch.bfloat16)
    weight = torch.zeros(2, 1, dtype=torch.bfloat16, requires_grad=True)
    target = torch.zeros(512, dtype=torch.long)
    linear_loss(features, weight, target, loss=CrossEntropyLoss(reduction="sum"), chunk=1).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[-256.0], [256.0]]  # a sum of 512 halves, which in bfloat16 would end at 128


def test_cosines_made_before_get_their_gradients() -> None:
    loss = build_loss("ldam", counts_for(CLASSES))
    found, expected = [], []
    for results, way in ((found, in_chunks), (expected, in_two_steps)):
        given = parts(bias=False)
        value = way(loss, (F.normalize(given[0]), F.normalize(given[1]), None), hard_target())
        results.extend(with_gradients(value, given))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_a_graph_that_is_kept_gives_the_same_gradients_again(reduction: Any) -> None:
    given = parts()
    value = in_chunks(FocalLoss(reduction=reduction), given, hard_target()).sum()
    wanted = [tensor for tensor in given if tensor is not None]
    first = torch.autograd.grad(3 * value, wanted, retain_graph=True)
    expected = [gradient.clone() for gradient in first]
    for gradient in first:
        gradient.zero_()  # its owner may
    torch.testing.assert_close(list(torch.autograd.grad(3 * value, wanted)), expected)


def test_gradient_of_the_gradient_is_refused() -> None:
    given = parts()
    value = in_chunks(FocalLoss(), given, hard_target())
    with pytest.raises(RuntimeError, match="no gradient of its gradient: use the loss on the logits"):
        torch.autograd.grad(value, given[0], create_graph=True)


def test_what_is_changed_of_the_loss_afterwards_does_not_count() -> None:
    gradients = []
    for change in (False, True):
        given, loss = parts(), CyclicalFocalLoss(10, weight=[1.0] * CLASSES, reduction="none")
        value = in_chunks(loss, given, hard_target())
        if change:
            loss.set_epoch(4)
            assert loss.weight is not None
            loss.weight.zero_()
        gradients.append(with_gradients(value, given))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_the_loss_is_left_as_it_was() -> None:
    loss = GALALoss(num_classes=CLASSES).eval()
    in_chunks(loss, parts(), hard_target()).backward()
    assert loss.reduction == "mean"
    assert (loss.positive_gradient == 0).all()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("batch", [0, BATCH])
def test_nothing_to_learn_from_gives_zero(batch: int, reduction: Any) -> None:
    given = parts(batch=batch)
    value = in_chunks(FocalLoss(reduction=reduction), given, torch.full((batch,), -100))
    assert value == 0
    assert all((gradient == 0).all() for gradient in with_gradients(value, given))


def test_empty_batch_without_reduction_is_empty() -> None:
    given = parts(batch=0)
    value = in_chunks(FocalLoss(reduction="none"), given, torch.zeros(0, dtype=torch.long))
    assert value.shape == (0,)
    assert all((gradient == 0).all() for gradient in with_gradients(value, given)[2:])


def test_other_integers_are_taken() -> None:
    loss = FocalLoss(weight=[2.0, 0.5, 1.0, 0.0, 3.0])
    expected = in_chunks(loss, parts(), hard_target())
    assert in_chunks(loss, parts(), hard_target().to(torch.uint8)) == expected


@pytest.mark.parametrize("name", sorted(name for name in LOSSES if not LOSSES[name].cls.sums_samples))
def test_loss_of_a_whole_batch_is_refused(name: str) -> None:
    message = (
        f"linear_loss takes losses that are sums over samples, got {LOSSES[name].cls.__name__}, one of a whole batch"
    )
    with pytest.raises(ValueError, match=message):
        in_chunks(build_loss(name, [5, 4, 3, 2, 1]), parts(), hard_target())


def test_loss_that_needs_features_or_learns_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="hands no features on to a loss, which InfluenceBalancedLoss needs"):
        in_chunks(build_loss("influence_balanced"), parts(), hard_target())
    with pytest.raises(ValueError, match="no gradient for the parameters of LogitAdjustedLoss"):
        in_chunks(build_loss("logit_adjusted", [5, 4, 3, 2, 1], learnable=True), parts(), hard_target())


def test_loss_that_gathers_its_state_in_training_is_refused_there() -> None:
    with pytest.raises(
        ValueError, match=r"GALALoss gathers its state in training: use it on the logits, or call its eval"
    ):
        in_chunks(GALALoss(num_classes=CLASSES), parts(), hard_target())


FEATURES, WEIGHT, TARGET = torch.zeros(3, 2), torch.zeros(4, 2), torch.tensor([0, 1, 2])
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"loss": torch.nn.CrossEntropyLoss()}, TypeError, "loss must be one of tailwise.losses, got CrossEntropyLoss"),
    ({"features": [[0.0]]}, TypeError, "features must be a tensor, got list"),
    ({"weight": None}, TypeError, "weight must be a tensor, got NoneType"),
    ({"bias": 0.0}, TypeError, "bias must be a tensor, got float"),
    ({"target": [0, 1, 2]}, TypeError, "target must be a tensor, got list"),
    ({"features": torch.zeros(3, 1, 2)}, ValueError, r"features must be .* \(B, D\), got .*\(3, 1, 2\)"),
    ({"features": FEATURES.long()}, ValueError, "features must be floating"),
    ({"weight": WEIGHT.T}, ValueError, r"weight must be of shape \(C, 2\) .*, got \(2, 4\)"),
    ({"bias": torch.zeros(3)}, ValueError, r"bias must be of shape \(4,\), one entry a class, got \(3,\)"),
    ({"target": TARGET[:2]}, ValueError, r"class indices of shape \(3,\)"),
    ({"target": torch.zeros(3, 3)}, ValueError, r"must have the shape of the logits, \(3, 4\)"),
    ({"target": torch.zeros(3, 4, requires_grad=True)}, ValueError, "target must not .*; detach it"),
    ({"target": TARGET + 2}, IndexError, "4 is out of bounds"),
    ({"loss": FocalLoss(weight=[1.0])}, ValueError, "logits have 4 classes but weight .* has 1"),
    ({"chunk": 0}, ValueError, "chunk must be a whole number from 1 up, got 0"),
    ({"chunk": 1.5}, ValueError, "chunk must be a whole number"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_wrong_arguments_are_named(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"features": FEATURES, "weight": WEIGHT, "target": TARGET, "loss": FocalLoss(), **wrong}
    with pytest.raises(error, match=message):
        linear_loss(**arguments)
