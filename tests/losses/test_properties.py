"""What holds of every loss with any setting on any batch, tried on batches that hypothesis draws.

`make test` draws few of each, always the same; `make test-long` draws hundreds. Both end with how many they tried.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import product

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from torch import Tensor

from loss_problems import (
    HARD_ROWS,
    MILD_ROWS,
    SETTINGS,
    Problem,
    own_arguments,
    problems,
)
from tailwise.losses import LOSSES, ClassificationLoss
from tailwise.losses import _fused as fused
from tailwise.losses import _fused_decisions as fused_decisions

FEW, MANY = 5, 60
SIZES, MANY_CLASSES = (2, 3, 5, 17), 1500
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
every_loss = pytest.mark.parametrize("name", sorted(LOSSES))
every_softmax_loss = pytest.mark.parametrize("name", sorted(n for n, entry in LOSSES.items() if entry.cls.is_softmax))
every_sum_over_samples = pytest.mark.parametrize(
    "name", sorted(n for n, entry in LOSSES.items() if entry.cls.sums_samples)
)
few_and_many = pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
Check = Callable[[Problem], None]
ForEach = Callable[..., None]


@pytest.fixture
def for_each(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> ForEach:
    """Check ``examples`` problems of a loss, the same in each session, and put on record how many it were."""

    def run(name: str, examples: int, check: Check, kinds: tuple[str, ...] = MILD_ROWS, **of: object) -> None:
        tried = 0

        @seed(zlib.crc32(request.node.nodeid.encode()))
        @settings(
            max_examples=examples,
            phases=(Phase.generate, Phase.shrink),
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(problems(name, kinds, **of))  # type: ignore[arg-type]
        def checked(problem: Problem) -> None:
            nonlocal tried
            tried += 1
            check(problem)

        checked()
        record_property("cases", tried)

    return run


def value_and_gradient(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    return value.detach(), gradient


def assert_same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    """Of values and gradients in float64: up to rounding, which a sum of large and small terms keeps of the large."""
    for one, other in zip(found, expected, strict=True):
        size = float(other.detach().abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8 * max(size, 1e-3))


def sum_or_mean(name: str) -> str:
    """The reduction that does not depend on what a mean divides by, where the loss has one."""
    return "sum" if LOSSES[name].cls.sums_samples else "mean"


def test_every_argument_of_every_loss_is_drawn() -> None:
    assert {name: own_arguments(name) for name in LOSSES} == {name: set(drawn) for name, drawn in SETTINGS.items()}


@every_loss
@few_and_many
def test_loss_and_gradient_are_finite_for_finite_logits(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, targets = problem.setting.build(), (problem.target(ignoring=True), problem.soft_target())
        for dtype, target in product(DTYPES, targets):
            value, gradient = value_and_gradient(loss, problem.logits(dtype), target)
            assert value.dtype == (dtype if dtype.itemsize > 2 else torch.float32)
            assert value.isfinite()
            assert gradient.dtype == dtype
            if dtype is torch.float16 and name == "lade":  # a square's slope, which float16 may not hold: see LADELoss
                gradient = value_and_gradient(loss, problem.logits(dtype).float(), target)[1]
            assert gradient.isfinite().all()

    for_each(name, examples, check, HARD_ROWS, sizes=(*SIZES, MANY_CLASSES))


@every_loss
@few_and_many
def test_state_and_loss_stay_finite_in_training(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss = problem.setting.build().train()
        for dtype in (torch.float32, torch.float64):
            for target in (problem.target(ignoring=True), problem.soft_target()):
                value, gradient = value_and_gradient(loss, problem.logits(dtype), target)
                assert value.isfinite()
                assert gradient.isfinite().all()
        for key in loss.gathered:
            if (state := getattr(loss, key)) is not None:
                assert state.isfinite().all()
                assert (state >= 0).all()

    for_each(name, examples, check, HARD_ROWS)


MAY_BE_NEGATIVE = {
    "combo": "a Dice coefficient is subtracted",
    "lade": "a bound of information is subtracted, whose estimate has either sign",
}


@pytest.mark.parametrize("name", sorted(set(LOSSES) - set(MAY_BE_NEGATIVE)))
@few_and_many
def test_loss_is_not_negative(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        for target in (problem.target(ignoring=True), problem.soft_target()):
            for dtype in (torch.float32, torch.float64):
                assert problem.setting.build()(problem.logits(dtype), target) >= 0

    for_each(name, examples, check, HARD_ROWS)


@every_softmax_loss
@few_and_many
def test_gradient_of_a_softmax_loss_sums_to_zero_over_the_classes(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        for dtype in (torch.float32, torch.float64):
            for target in (problem.target(ignoring=True), problem.soft_target()):
                _, gradient = value_and_gradient(problem.setting.build(), problem.logits(dtype), target)
                rounding = (1e-3 if dtype is torch.float32 else 1e-10) * gradient.abs().max().clamp_min(0.1)
                assert (gradient.sum(dim=1).abs() <= rounding).all()

    for_each(name, examples, check)


@every_softmax_loss
@few_and_many
def test_adding_a_constant_to_a_samples_logits_changes_nothing(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, logits = problem.setting.build(), problem.logits()
        shift = torch.linspace(-50, 70, len(logits), dtype=torch.float64).unsqueeze(1)
        for target in (problem.target(ignoring=True), problem.soft_target()):
            assert_same(value_and_gradient(loss, logits + shift, target), value_and_gradient(loss, logits, target))

    for_each(name, examples, check)


@every_loss
@few_and_many
def test_renaming_the_classes_renames_the_gradient(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        order = problem.order
        place = torch.tensor(order).argsort()
        loss, renamed = problem.setting.build(), problem.setting.renamed(order).build()
        logits, hard, soft = problem.logits(), problem.target(ignoring=True), problem.soft_target()
        moved = torch.where(hard < 0, hard, place[hard.clamp_min(0)])
        for target, other in ((hard, moved), (soft, soft[:, order])):
            value, gradient = value_and_gradient(loss, logits, target)
            assert_same(value_and_gradient(renamed, logits[:, order], other), (value, gradient[:, order]))

    for_each(name, examples, check)


@every_loss
@few_and_many
def test_order_of_the_samples_does_not_matter(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, logits = problem.setting.build(), problem.logits()
        order = torch.arange(len(logits)).flip(0).roll(1)
        for target in (problem.target(ignoring=True), problem.soft_target()):
            value, gradient = value_and_gradient(loss, logits, target)
            assert_same(value_and_gradient(loss, logits[order], target[order]), (value, gradient[order]))

    for_each(name, examples, check)


@every_loss
@few_and_many
def test_one_hot_target_equals_class_index(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, logits, hard = problem.setting.build(reduction=sum_or_mean(name)), problem.logits(), problem.target()
        soft = torch.nn.functional.one_hot(hard, problem.classes).double()
        assert_same(value_and_gradient(loss, logits, soft), value_and_gradient(loss, logits, hard))

    # The weighted mean of hard targets is by their weights, of soft ones by B, as in torch; some have no sum.
    for_each(name, examples, check, **({} if LOSSES[name].cls.sums_samples else {"weighted": False}))


@every_sum_over_samples
@few_and_many
def test_loss_of_mixed_labels_is_the_mix_of_their_losses(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, logits = problem.setting.build(reduction="none", ignore_index=-100), problem.logits()
        each = torch.stack([loss(logits, torch.full((len(logits),), c)) for c in range(problem.classes)], dim=1)
        soft = problem.soft_target()
        assert_same((loss(logits, soft),), ((soft * each).sum(dim=1),))

    for_each(name, examples, check)


@every_sum_over_samples
@few_and_many
def test_reductions_and_weights_agree(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        logits, hard, soft = problem.logits(), problem.target(ignoring=True), problem.soft_target()
        weight = problem.setting.options.get("weight")
        factors = torch.ones(problem.classes) if weight is None else torch.tensor(weight)
        of_hard = (hard != problem.ignored).double()
        of_soft = torch.ones(len(soft), dtype=torch.float64)
        if not LOSSES[name].cls.several_labels:  # those weigh terms within a sample: a mean is over samples
            of_hard *= factors.double()[hard.clamp_min(0)]
        if name == "cri":  # its own formula divides by the weights of soft targets too, the others' mean is torch's
            of_soft = soft @ factors.double()
        for target, divisors in ((hard, of_hard), (soft, of_soft)):
            each = problem.setting.build(reduction="none")(logits, target)
            total = each.sum()
            assert each.shape == (len(logits),)
            mean = total / divisors.sum() if divisors.sum() > 0 else torch.zeros_like(total)
            assert_same((problem.setting.build(reduction="sum")(logits, target),), (total,))
            assert_same((problem.setting.build(reduction="mean")(logits, target),), (mean,))

    for_each(name, examples, check)


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, entry in LOSSES.items()
        # A label of the one smoothes by itself, of the others has terms of all classes.
        if entry.cls.sums_samples and name != "label_aware_smoothing" and not entry.cls.several_labels
    ),
)
@few_and_many
def test_weight_is_a_factor_of_the_term_of_its_class(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        logits, soft = problem.logits(), problem.soft_target()
        smoothing = {"label_smoothing": 0.0} if "label_smoothing" in LOSSES[name].arguments else {}
        plain = problem.setting.build(reduction="none", weight=None, **smoothing)
        weighted = problem.setting.build(reduction="none", **smoothing)
        assert weighted.weight is not None
        assert_same((weighted(logits, soft),), (plain(logits, soft * weighted.weight.double()),))

    for_each(name, examples, check, weighted=True)


@every_loss
@few_and_many
def test_ignored_samples_change_neither_loss_nor_gradient(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, logits, target = problem.setting.build(), problem.logits(), problem.target(ignoring=True)
        kept = target != problem.ignored
        value, gradient = value_and_gradient(loss, logits, target)
        alone, of_kept = value_and_gradient(loss, logits[kept], target[kept])
        assert_same((value, gradient[kept]), (alone, of_kept))
        assert (gradient[~kept] == 0).all()

    for_each(name, examples, check)


@every_loss
@few_and_many
def test_layout_in_memory_and_kind_of_integer_do_not_matter(name: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        loss, hard, soft = problem.setting.build(), problem.target(ignoring=True), problem.soft_target()
        logits = problem.logits(DTYPES[problem.seed % 4])
        size, classes = logits.shape
        transposed = logits.T.contiguous().T.requires_grad_()
        among_others = logits.new_full((2 * size, 3 * classes), 7)[::2, 1::3].copy_(logits).requires_grad_()
        for target, views in (
            (hard, ((transposed, hard.int()), (among_others, hard.repeat_interleave(2)[::2]))),
            (soft, ((transposed, soft.T.contiguous().T), (among_others, soft))),
        ):
            expected = value_and_gradient(loss, logits, target)
            for view, other in views:
                value = loss(view, other)
                (gradient,) = torch.autograd.grad(value, view)
                torch.testing.assert_close((value.detach(), gradient), expected)

    for_each(name, examples, check)


@pytest.mark.skipif(fused._rows is None, reason="built without a C compiler")
@every_loss
@few_and_many
def test_compiled_loop_computes_what_the_tensor_operations_do(name: str, examples: int, for_each: ForEach) -> None:
    """Not much further from float64 than the tensor operations of float32, or than logits a rounding away."""

    def check(problem: Problem) -> None:
        reduction = "none" if LOSSES[name].cls.sums_samples and problem.seed % 2 else "mean"
        loss = problem.setting.build(reduction=reduction)
        logits, target = problem.logits(torch.float32), problem.target(ignoring=True)
        found = value_and_gradient(loss, logits, target)
        exact = value_and_gradient(loss, logits.double(), target)
        away = torch.randn(logits.shape, generator=torch.Generator().manual_seed(problem.seed), dtype=torch.float64)
        others = [
            value_and_gradient(loss, logits + 1e-6 * (1 + logits.abs()) * sign * away, target) for sign in (-1, 1)
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fused, "_rows", None)
            patch.setattr(fused_decisions, "_decisions", None)
            others.append(value_and_gradient(loss, logits, target))
        for kind in (0, 1):
            spread = max(float((other[kind] - exact[kind]).abs().max()) for other in others)
            assert (found[kind] - exact[kind]).abs().max() <= 3 * spread + 1e-5 * exact[kind].abs().max() + 1e-6

    for_each(name, examples, check, sizes=(*SIZES, MANY_CLASSES))


@pytest.mark.long
@every_loss
@pytest.mark.parametrize(("backend", "examples"), [("aot_eager", 4), ("inductor", 1)])
def test_compiled_by_torch_it_computes_the_same(name: str, backend: str, examples: int, for_each: ForEach) -> None:
    def check(problem: Problem) -> None:
        torch._dynamo.reset()
        loss, logits = problem.setting.build(), problem.logits()
        compiled = torch.compile(loss, backend=backend, fullgraph=True)
        for target in (problem.target(ignoring=True), problem.soft_target()):
            assert_same(value_and_gradient(compiled, logits, target), value_and_gradient(loss, logits, target))

    for_each(name, examples, check)
