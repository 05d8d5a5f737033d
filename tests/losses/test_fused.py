"""The compiled loop against the tensor operations, which the rest of the suite holds to the formulas."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from loss_cases import LossCase, counts_for
from tailwise.losses import (
    LOSSES,
    ClassificationLoss,
    DiceLoss,
    EqualizationLoss,
    EqualizedFocalLoss,
    FocalLoss,
    GALALoss,
    InfluenceBalancedLoss,
    LogitAdjustedLoss,
    MultiLabelAsymmetricLoss,
    SeesawLoss,
)
from tailwise.losses import _fused as fused

pytestmark = pytest.mark.skipif(fused._rows is None, reason="built without a C compiler")


def batch(samples: int, classes: int, scale: float = 3.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(samples, classes, generator=source) * scale
    return logits, torch.randint(classes, (samples,), generator=source)


def build(case: LossCase, classes: int, options: dict[str, Any]) -> ClassificationLoss:
    return case.build(counts_for(classes), **options)


def value_and_gradient(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    logits = logits.detach().clone().requires_grad_()
    value = loss(logits, target)
    factors = torch.linspace(1, 2, value.numel(), dtype=value.dtype).view_as(value)
    (gradient,) = torch.autograd.grad((value * factors).sum(), logits)
    return value.detach(), gradient


def assert_near(found: Tensor, exact: Tensor, tolerance: float = 1e-6) -> None:
    scale = float(exact.abs().max())
    torch.testing.assert_close(found.double(), exact, rtol=10 * tolerance, atol=tolerance * max(scale, 1e-3))


def assert_same(loss: ClassificationLoss, logits: Tensor, target: Tensor) -> None:
    """By the compiled loop as by tensor operations in float64; ``copy`` keeps the state of a loss that gathers."""
    exact = copy.deepcopy(loss)
    assert fused.takes_logits(logits)
    for found, wanted in zip(
        value_and_gradient(loss, logits, target), value_and_gradient(exact, logits.double(), target), strict=True
    ):
        assert_near(found, wanted)


ONE_OF_EACH = [LossCase(name, arguments={"epochs": 10} if name == "cyclical_focal" else {}) for name in sorted(LOSSES)]
one_of_each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)


@one_of_each
def test_no_loss_is_left_to_the_tensor_operations(case: LossCase, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("computed by tensor operations")

    loss = build(case, 5, {})
    for method in ("by_operations", "_reduced_terms"):
        monkeypatch.setattr(type(loss), method, refuse, raising=False)
    value_and_gradient(loss, *batch(16, 5))


@one_of_each
def test_without_a_gradient_the_value_is_the_same(case: LossCase) -> None:
    logits, target = batch(16, 5)
    loss = build(case, 5, {})
    assert loss(logits, target) == loss(logits.clone().requires_grad_(), target).detach()
    with torch.no_grad():
        assert not loss(logits.clone().requires_grad_(), target).requires_grad


@one_of_each
def test_batch_of_ignored_samples_gives_zero(case: LossCase) -> None:
    logits, _ = batch(16, 5)
    value, gradient = value_and_gradient(build(case, 5, {}), logits, torch.full((16,), -100))
    assert value == 0
    assert (gradient == 0).all()


@one_of_each
def test_gradient_of_the_gradient_is_that_of_the_tensor_operations(case: LossCase) -> None:
    loss = build(case, 4, {})
    logits, target = batch(8, 4, scale=0.1 if loss.for_cosines else 1.0)

    def penalty(logits: Tensor) -> Tensor:
        logits = logits.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits, target), logits, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), logits)
        return second

    assert_near(penalty(logits), penalty(logits.double()), tolerance=1e-4)


@one_of_each
def test_a_graph_that_is_kept_gives_the_same_gradient_again(case: LossCase) -> None:
    logits, target = batch(8, 4)
    logits.requires_grad_()
    value = build(case, 4, {})(logits, target)
    (first,) = torch.autograd.grad(value, logits, retain_graph=True)
    expected = first.clone()
    first.mul_(3)  # its owner may
    (again,) = torch.autograd.grad(value, logits, retain_graph=True)
    assert torch.equal(again, expected)
    value.backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad, expected)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda c: c.name)
def test_threads_share_the_rows(case: LossCase, reduction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = batch(37, 9)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(fused, "PARALLEL_SIZE", 0)
        monkeypatch.setattr(fused, "SHARED", True)
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        loss = build(case, 9, {"reduction": reduction} if LOSSES[case.name].cls.sums_samples else {})
        trained = value_and_gradient(loss, logits, target)  # GALA gathers a state, and then needs it
        found.append((*trained, *value_and_gradient(loss, logits.flip(1), target), loss.eval()(logits, target)))
    torch.testing.assert_close(*found)


def test_state_of_gala_is_that_of_the_tensor_operations() -> None:
    for variant in ("published", "released"):
        loss, exact = (GALALoss(num_classes=5, variant=variant, weight=[1, 2, 3, 4, 5]) for _ in range(2))
        for seed in range(4):
            logits, target = batch(16, 5, seed=seed)
            target[:2] = -100
            found, wanted = loss(logits, target), exact(logits.double(), target)
            assert_near(found, wanted)
        assert_near(loss.positive_gradient, exact.positive_gradient)
        assert_near(loss.negative_gradient, exact.negative_gradient)
        loss.eval()(logits, target)
        assert_near(loss.positive_gradient, exact.positive_gradient)


def test_subclass_with_a_formula_of_its_own_is_computed_by_it() -> None:
    class Doubled(FocalLoss):
        def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
            return 2 * super().target_term(log_p, label)

    class Softer(FocalLoss):
        def __init__(self) -> None:
            super().__init__(gamma=0.5)

    logits, target = batch(16, 5)
    torch.testing.assert_close(Doubled()(logits, target), 2 * FocalLoss()(logits, target))
    assert Doubled().row_formula() is None
    assert Softer().row_formula() is not None


def test_copies_do_not_share_their_constants_memory() -> None:
    logits, target = batch(16, 5)
    loss = FocalLoss(alpha=[1, 2, 3, 4, 5])
    expected = loss(logits, target)
    copies = [copy.copy(loss), copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))]
    del loss
    for again in copies:
        assert again(logits, target) == expected


def test_constants_follow_what_they_are_made_of() -> None:
    logits, target = batch(16, 5)
    loss = LogitAdjustedLoss([50, 20, 10, 5, 1], weight=[1, 1, 1, 1, 1])
    loss(logits, target)
    loss.tau = 0.5
    loss.weight = torch.tensor([1.0, 2, 3, 4, 5])
    assert_same(loss, logits, target)
    loss.weight[0] = 7
    assert_same(loss, logits, target)


@pytest.mark.parametrize("wrong", [5, -1])
def test_target_out_of_bounds_is_named(wrong: int) -> None:
    logits, target = batch(16, 5)
    target[3] = wrong
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        FocalLoss()(logits, target)
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        DiceLoss()(logits, target)


def test_transforms_go_by_the_tensor_operations() -> None:
    logits, target = batch(16, 5)
    loss = FocalLoss()
    gradient = value_and_gradient(loss, logits, target)[1]
    torch.testing.assert_close(torch.func.grad(lambda z: loss(z, target))(logits), gradient)
    torch.testing.assert_close(torch.func.jacfwd(lambda z: loss(z, target))(logits), gradient)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(logits, torch.ones_like(logits))
        tangent = torch.autograd.forward_ad.unpack_dual(loss(dual, target)).tangent
    torch.testing.assert_close(tangent, gradient.sum(), atol=1e-6, rtol=0)


def test_without_the_module_the_tensor_operations_do_it(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = batch(16, 5)
    expected = value_and_gradient(FocalLoss(), logits, target)
    monkeypatch.setattr(fused, "_rows", None)
    torch.testing.assert_close(value_and_gradient(FocalLoss(), logits, target), expected)


ONE_VS_REST = [lambda **o: MultiLabelAsymmetricLoss(**o), lambda **o: EqualizedFocalLoss(5, **o)]


@pytest.mark.parametrize("options", [{}, {"reduction": "none"}, {"reduction": "sum", "weight": [1, 2, 3, 4, 5]}])
@pytest.mark.parametrize("make", ONE_VS_REST, ids=["asymmetric", "equalized"])
def test_any_number_of_labels(make: Callable[..., ClassificationLoss], options: dict[str, Any]) -> None:
    logits, _ = batch(37, 5)
    source = torch.Generator().manual_seed(1)
    labels = torch.randint(2, (37, 5), generator=source)
    ignoring = labels.masked_fill(torch.rand(37, 5, generator=source) < 0.2, -100)
    ignoring[3] = -100
    for target in (labels, labels.bool(), labels.double(), ignoring, torch.rand(37, 5, generator=source)):
        loss = make(**options)
        assert_same(loss, logits, target)
        assert_same(loss, logits.flip(0), target)  # with the state that the first batch has left
        assert_same(loss.eval(), logits, target)


def test_wrong_entry_of_several_labels_is_named() -> None:
    logits, _ = batch(3, 2)
    target = torch.tensor([[0.0, 1.0], [-100, -100], [0.5, 1.5]])
    for wrong, text in ((1.5, "1.5"), (float("nan"), "nan")):
        target[2, 1] = wrong
        with pytest.raises(ValueError, match=f"0, 1 or a probability between, got {text}"):
            MultiLabelAsymmetricLoss()(logits, target)
    with pytest.raises(IndexError, match="Target 2 is out of bounds"):
        MultiLabelAsymmetricLoss()(logits, torch.tensor([0, 2, 1]))


def test_states_are_those_of_the_tensor_operations() -> None:
    for make in (lambda: EqualizedFocalLoss(5), lambda: SeesawLoss(5), lambda: GALALoss(5)):
        loss, exact = make(), make()
        for seed in range(3):
            logits, target = batch(16, 5, seed=seed)
            target[:2] = -100
            assert_near(loss(logits, target), exact(logits.double(), target))
        for name in loss.gathered:
            if (state := getattr(loss, name)) is not None:
                assert state.abs().sum() > 0
                assert_near(state, getattr(exact, name))


@pytest.mark.parametrize("make", [lambda: GALALoss(5), lambda: SeesawLoss(5), lambda: EqualizedFocalLoss(5)])
def test_gradient_of_a_gradient_uses_the_state_that_the_batch_met(make: Callable[[], ClassificationLoss]) -> None:
    logits, target = batch(16, 5)
    seconds = []
    for dtype in (torch.float32, torch.float64):
        loss = make()
        loss(logits.to(dtype).flip(0), target)
        again = logits.to(dtype).requires_grad_()
        value = loss(again, target)
        loss(logits.to(dtype).flip(1), target.flip(0))  # moves the state on
        (gradient,) = torch.autograd.grad(value, again, create_graph=True)
        seconds.append(torch.autograd.grad(gradient.square().sum(), again)[0])
    assert_near(seconds[0], seconds[1], tolerance=1e-5)


def test_gradient_of_a_gradient_leaves_the_same_classes_out() -> None:
    logits, target = batch(64, 5)
    logits.requires_grad_()
    loss = EqualizationLoss(counts_for(5), gamma=0.5)
    (gradient,) = torch.autograd.grad(loss(logits, target), logits, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), logits)
    out = gradient == 0
    assert out.any()
    assert torch.equal(second == 0, out)
    exact = logits.detach().double().requires_grad_()
    naive = torch.nn.functional.cross_entropy(exact.masked_fill(out, -torch.inf), target)
    (expected,) = torch.autograd.grad(naive, exact, create_graph=True)
    assert_near(gradient.detach(), expected.detach())
    assert_near(second, torch.autograd.grad(expected.square().sum(), exact)[0], tolerance=1e-5)


def test_draws_follow_torchs_generator() -> None:
    logits, target = batch(64, 5)
    loss = EqualizationLoss(counts_for(5), gamma=0.5)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(loss(logits, target))
    assert found[0] == found[1] != found[2]


def test_draws_of_neighbours_are_independent() -> None:
    """Chi-square of pairs of draws along rows, columns and batches: each of 4 outcomes as likely as it must be."""
    drawn = torch.stack([fused.left_out(seed, 2**24 * 3 // 10, 400, 50) for seed in range(20)])
    pairs = ((drawn[:, :, 1:], drawn[:, :, :-1]), (drawn[:, 1:], drawn[:, :-1]), (drawn[1:], drawn[:-1]))
    for first, second in pairs:
        outcome = (2 * first.int() + second.int()).flatten()
        expected = torch.tensor([0.49, 0.21, 0.21, 0.09]) * len(outcome)
        chi_square = ((outcome.bincount(minlength=4) - expected) ** 2 / expected).sum()
        assert chi_square < 25  # of 3 degrees of freedom: once in 60 000


def test_influence_takes_the_lengths_of_the_features() -> None:
    logits, target = batch(16, 5)
    features = torch.randn(16, 7, generator=torch.Generator().manual_seed(2))
    results = []
    for dtype in (torch.float32, torch.float64):
        z = logits.to(dtype).requires_grad_()
        value = InfluenceBalancedLoss()(z, target, features.to(dtype))
        (gradient,) = torch.autograd.grad(value, z, create_graph=True)
        results.append((value.detach(), gradient.detach(), torch.autograd.grad(gradient.square().sum(), z)[0]))
    for found, wanted, tolerance in zip(*results, (1e-6, 1e-6, 1e-3), strict=True):
        assert_near(found, wanted, tolerance)


@pytest.mark.parametrize(
    "options",
    [{"q": 1.0}, {"q": 0.0}, {"q": 1.5}, {"q": 3.0}, {"eps": 1e-9}, {"p": 0.0}, {"p": 12.0}, {"p": 12.0, "q": 0.5}],
)
def test_seesaw_of_any_strength(options: dict[str, float]) -> None:
    """Some by weights that are products of exponentials, some by their logarithms."""
    counts = [100_000, 5_000, 300, 20, 1]
    for scale in (0.1, 3.0, 40.0):
        assert_same(SeesawLoss(class_counts=counts, **options), *batch(37, 5, scale=scale))
