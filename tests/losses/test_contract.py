"""What every registered loss promises, tested for each of them: a new loss is covered once it has a case."""

from __future__ import annotations

import copy
import inspect
import io
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from loss_cases import CASES, LossCase, counts_for, problem
from tailwise.losses import LOSSES, ClassificationLoss, build_loss

every_loss = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
every_mean_over_samples = pytest.mark.parametrize(
    "case", [case for case in CASES if case.naive is not None], ids=lambda case: case.label
)
one_of_each = pytest.mark.parametrize("name", sorted(LOSSES))


def build(case: LossCase, classes: int = 5, **options: Any) -> ClassificationLoss:
    return case.build(counts_for(classes), **options)


def value_and_grad(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    (grad,) = torch.autograd.grad(value.sum(), logits)
    return value.detach(), grad


def with_smoothing(*values: float | None) -> pytest.MarkDecorator:
    """Every loss with its own smoothing (None), and those that take ``label_smoothing`` with each of the others."""
    pairs = [(case, value) for case in CASES for value in values if value is None or case.smoothable]
    return pytest.mark.parametrize(("case", "smoothing"), pairs, ids=[f"{case.label}-{v}" for case, v in pairs])


def smoothed(smoothing: float | None) -> dict[str, float]:
    return {} if smoothing is None else {"label_smoothing": smoothing}


def one_hot(target: Tensor, classes: int) -> Tensor:
    return torch.nn.functional.one_hot(target, classes).double()


def test_every_registered_loss_has_a_case() -> None:
    assert {case.name for case in CASES} == set(LOSSES)


@every_mean_over_samples
def test_loss_of_each_sample_equals_the_formula_in_plain_arithmetic(case: LossCase) -> None:
    logits, target = problem()
    assert case.naive is not None
    expected = [case.naive(z, y, counts_for(5)) for z, y in zip(logits.tolist(), target.tolist(), strict=True)]
    actual = build(case, reduction="none")(logits, target)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


@every_loss
def test_loss_of_a_batch_equals_the_formula_in_plain_arithmetic(case: LossCase) -> None:
    logits, target = problem()
    expected = case.expected(logits, target, counts_for(5))
    torch.testing.assert_close(build(case)(logits, target), expected, rtol=0, atol=1e-12)


@with_smoothing(None, 0.2)
def test_gradient_passes_gradcheck_for_hard_and_soft_targets(case: LossCase, smoothing: float | None) -> None:
    if case.stops_gradient:
        pytest.skip("held to golden gradients instead")
    loss = build(case, **smoothed(smoothing))
    logits, target = problem()
    logits.requires_grad_()
    soft = torch.softmax(torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), dim=1)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits,))
    assert torch.autograd.gradcheck(lambda z: loss(z, soft), (logits,))


@every_mean_over_samples
def test_loss_of_an_ignored_sample_is_zero(case: LossCase) -> None:
    logits, target = problem()
    target[::3] = -100
    assert (build(case, reduction="none")(logits, target)[::3] == 0).all()


@every_loss
def test_batch_of_ignored_samples_gives_zero(case: LossCase) -> None:
    logits, _ = problem()
    value, grad = value_and_grad(build(case), logits, torch.full((12,), -100))
    assert value == 0
    assert (grad == 0).all()


@every_loss
def test_empty_batch_gives_zero(case: LossCase) -> None:
    assert build(case)(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)) == 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(case: LossCase, dtype: torch.dtype) -> None:
    loss = build(case)
    logits, target = problem(dtype=dtype)
    value, grad = value_and_grad(loss, logits, target)
    expected, expected_grad = value_and_grad(loss, logits.float(), target)
    assert value.dtype == torch.float32
    assert grad.dtype == dtype
    assert torch.equal(value, expected)
    torch.testing.assert_close(grad, expected_grad.to(dtype))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_autocast_costs_no_precision(case: LossCase, dtype: torch.dtype, soft: bool) -> None:
    loss = build(case)
    logits, target = problem(dtype=torch.float32)
    if soft:
        target = one_hot(target, 5).float()
    with torch.autocast("cpu", dtype=dtype):
        value, grad = value_and_grad(loss, logits, target)
    expected, expected_grad = value_and_grad(loss, logits, target)
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert torch.equal(grad, expected_grad)


@one_of_each
@pytest.mark.parametrize("classes", [2, 10_000])
def test_works_from_two_to_ten_thousand_classes(name: str, classes: int) -> None:
    case = next(case for case in CASES if case.name == name)
    logits, _ = problem(classes, batch=3)
    target = torch.tensor([0, classes - 1, classes // 2])
    expected = case.expected(logits, target, counts_for(classes))
    torch.testing.assert_close(build(case, classes)(logits, target), expected)


@every_loss
def test_torch_compile_traces_it_in_one_graph(case: LossCase) -> None:
    torch._dynamo.reset()
    loss = build(case)
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    logits, target = problem()
    for given in (target, one_hot(target, 5)):
        value, grad = value_and_grad(loss, logits, given)
        compiled_value, compiled_grad = value_and_grad(compiled, logits, given)
        torch.testing.assert_close(compiled_value, value)
        torch.testing.assert_close(compiled_grad, grad)


@every_loss
def test_state_dict_round_trip_restores_the_loss(case: LossCase) -> None:
    logits, target = problem()
    loss = build(case, weight=torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64))
    uniform = [10] * 5
    other = case.build(uniform, weight=torch.ones(5, dtype=torch.float64))
    assert other(logits, target) != loss(logits, target)
    other.load_state_dict(loss.state_dict())
    assert other(logits, target) == loss(logits, target)


@every_loss
def test_copies_and_files_of_the_loss_compute_the_same(case: LossCase) -> None:
    logits, target = problem()
    loss = build(case)
    expected = loss(logits, target)
    file = io.BytesIO()
    torch.save(loss, file)
    file.seek(0)
    assert copy.deepcopy(loss)(logits, target) == expected
    assert torch.load(file, weights_only=False)(logits, target) == expected


@every_loss
def test_casting_the_module_to_half_keeps_its_constants_exact(case: LossCase) -> None:
    logits, target = problem()
    loss = build(case)
    expected = loss(logits, target)
    assert loss.to(torch.bfloat16)(logits, target) == expected


@every_loss
def test_logits_with_another_number_of_classes_are_refused(case: LossCase) -> None:
    loss = build(case, weight=[1.0] * 5)
    with pytest.raises(ValueError, match=r"logits have 6 classes but (weight|class_counts|alpha) .* has 5"):
        loss(torch.zeros(2, 6), torch.tensor([0, 1]))


@every_loss
def test_class_index_out_of_range_is_refused(case: LossCase) -> None:
    with pytest.raises(IndexError, match="5 is out of bounds"):
        build(case)(torch.zeros(2, 5), torch.tensor([0, 5]))


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(5, 2, 2), torch.tensor([0]), r"logits must be floating of shape \(B, C\)"),
        (torch.zeros(2, 5, dtype=torch.long), torch.tensor([0, 1]), "logits must be floating"),
        (torch.zeros(2, 5), torch.tensor([0, 1, 2]), r"class indices of shape \(2,\)"),
        (torch.zeros(2, 5), torch.zeros(2, 5, dtype=torch.long), "give one-hot targets as floats"),
        (torch.zeros(2, 5), torch.zeros(2, 4), "must have the shape of the logits"),
        (torch.zeros(2, 5), torch.tensor([True, False]), "class indices"),
    ],
)
def test_wrong_shapes_and_types_are_named(logits: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_loss("cross_entropy")(logits, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduction": "average"}, 'reduction must be "mean", "sum" or "none"'),
        ({"label_smoothing": 1.5}, "label_smoothing must be at least 0 and at most 1"),
        ({"weight": [[1.0, 2.0]]}, "weight must be one number per class"),
        ({"weight": [1.0, float("nan")]}, "weight must be finite"),
        ({"weight": [1.0, -1.0]}, "not negative"),
        ({"label_smoothing": float("nan")}, "label_smoothing must be at least 0 and at most 1 and a finite number"),
        ({"ignore_index": None}, "ignore_index must be a whole number, got None"),
        ({"gama": 2.0}, "no argument 'gama'; it takes"),
    ],
)
@one_of_each
def test_wrong_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    if "label_smoothing" in options and "label_smoothing" not in LOSSES[name].arguments:
        message = "no argument 'label_smoothing'; it takes"
    with pytest.raises(ValueError, match=message):
        build_loss(name, [3, 2], **{**required_by(name), **options})


def required_by(name: str) -> dict[str, Any]:
    """What a loss cannot be built without, besides class counts."""
    return {"epochs": 10} if name == "cyclical_focal" else {}


NUMBERS = [
    (name, parameter.name)
    for name, entry in sorted(LOSSES.items())
    for parameter in inspect.signature(entry.cls).parameters.values()
    if isinstance(parameter.default, float)
]


@pytest.mark.parametrize(("name", "argument"), NUMBERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "2", True, torch.tensor(2.0)])
def test_numbers_that_are_not_finite_are_refused(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{argument} must be .*a finite number, got"):
        build_loss(name, [3, 2], **{**required_by(name), argument: value})


@pytest.mark.parametrize("name", [name for name in sorted(LOSSES) if LOSSES[name].counts == "needed"])
def test_missing_counts_are_named_where_they_are_needed(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{LOSSES[name].cls.__name__} needs class_counts, got None; give"):
        build_loss(name)


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        ([[0.0, 1.0]], torch.tensor([0]), "logits must be a tensor, got list; convert with torch.as_tensor"),
        (np.zeros((1, 2)), torch.tensor([0]), "logits must be a tensor, got ndarray"),
        (torch.zeros(1, 2), [0], "target must be a tensor, got list"),
    ],
)
def test_what_is_no_tensor_is_refused(logits: Any, target: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build_loss("cross_entropy")(logits, target)


@every_loss
def test_printed_it_shows_the_arguments_it_was_given(case: LossCase) -> None:
    shown = repr(build(case, ignore_index=-1))
    assert "ignore_index=-1" in shown
    assert "reduction" not in shown
    for name, value in case.arguments.items():
        assert f"{name}={value!r}" in shown


@every_loss
def test_printed_with_many_classes_it_shows_their_number_alone(case: LossCase) -> None:
    if not {"alpha", "majority_classes"} & set(case.arguments):
        shown = repr(build(case, 1000, weight=[0.5] * 1000))
        assert "weight=<1000 classes>" in shown
        assert ("class_counts=<1000 classes>" in shown) == (LOSSES[case.name].counts != "-")


def test_printed_weights_of_few_classes_are_short() -> None:
    assert repr(build_loss("ce", weight=[0.1, 2])) == "CrossEntropyLoss(weight=[0.1, 2.0])"


@pytest.mark.parametrize(
    ("name", "argument"),
    [("gppe", "detach_weight"), ("asl_multi_label", "detach_weight"), ("logit_adjusted", "learnable")],
)
def test_text_is_not_taken_for_a_flag(name: str, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be True or False, got 'false'"):
        build_loss(name, counts_for(5), **{argument: "false"})
