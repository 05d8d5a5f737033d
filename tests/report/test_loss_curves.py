"""Loss and gradient against p_y: closed forms, finite differences, which class is which, what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tailwise.errors import InputError
from tailwise.losses import LOSSES
from tailwise.report.loss_curves import ClassCurve, loss_curves, own_arguments

P = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99])
LONG_TAIL = [30, 400, 7, 90, 1]
Formula = Callable[[float], float]


def assert_curve(curve: ClassCurve, loss: Formula, gradient: Formula) -> None:
    np.testing.assert_allclose(curve.loss, [loss(p) for p in P], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(curve.gradient, [gradient(p) for p in P], rtol=1e-9, atol=1e-12)


def cross_entropy(p: float) -> float:
    return -math.log(p)


def cross_entropy_gradient(p: float) -> float:
    return p - 1


def penalised(alpha: float, beta: float, margin: float) -> tuple[Formula, Formula]:
    """-(1-p)^(alpha(1-p) + beta) * log min(p + m, 1), and its derivative by p times dp/dz_y = p(1-p)."""

    def loss(p: float) -> float:
        return -((1 - p) ** (alpha * (1 - p) + beta)) * math.log(min(p + margin, 1.0))

    def gradient(p: float) -> float:
        if p + margin >= 1:
            return 0.0
        exponent = alpha * (1 - p) + beta
        factor = (1 - p) ** exponent
        slope = factor * (-alpha * math.log(1 - p) - exponent / (1 - p))
        return -(slope * math.log(p + margin) + factor / (p + margin)) * p * (1 - p)

    return loss, gradient


@pytest.mark.parametrize("counts", [[1000, 50], LONG_TAIL])
def test_cross_entropy_is_minus_log_p_with_gradient_p_minus_one_in_both_classes(counts: list[int]) -> None:
    (curves,) = loss_curves(["ce"], counts, p=P)
    assert_curve(curves.minority, cross_entropy, cross_entropy_gradient)
    assert_curve(curves.majority, cross_entropy, cross_entropy_gradient)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_equals_its_closed_form(gamma: float) -> None:
    (curves,) = loss_curves(["focal"], LONG_TAIL, {"focal": {"gamma": gamma}}, p=P)

    def gradient(p: float) -> float:
        return (1 - p) ** gamma * (gamma * p * math.log(p) - (1 - p))

    assert_curve(curves.minority, lambda p: -((1 - p) ** gamma) * math.log(p), gradient)


@pytest.mark.parametrize(
    ("own", "formula"),
    [({}, penalised(-2, 6, 0.05)), ({"alpha": -1.0, "beta": 3.0, "margin": 0.15}, penalised(-1, 3, 0.15))],
)
def test_gppe_is_penalised_in_the_majority_and_cross_entropy_in_the_minority(
    own: dict[str, float], formula: tuple[Formula, Formula]
) -> None:
    (curves,) = loss_curves(["gppe"], [1000, 50], {"gppe": own}, p=P)
    assert_curve(curves.majority, *formula)
    assert_curve(curves.minority, cross_entropy, cross_entropy_gradient)


def test_gradient_that_the_loss_detaches_is_not_drawn() -> None:
    (curves,) = loss_curves(["gppe"], [1000, 50], {"gppe": {"detach_weight": True}}, p=P)

    def gradient(p: float) -> float:
        return -((1 - p) ** (6 - 2 * (1 - p))) / (p + 0.05) * p * (1 - p) if p + 0.05 < 1 else 0.0

    assert_curve(curves.majority, penalised(-2, 6, 0.05)[0], gradient)


@pytest.mark.parametrize("counts", [[1000, 50], LONG_TAIL], ids=["two classes", "five classes"])
@pytest.mark.parametrize("name", sorted(name for name in set(LOSSES) - {"seesaw"} if LOSSES[name].cls.is_softmax))
def test_gradient_is_the_slope_of_the_drawn_loss_in_the_own_logit(name: str, counts: list[int]) -> None:
    # z_y + h, the others held, is p e^h / (1 - p + p e^h), in which the others still share equally.
    step = 1e-5
    up, down = (P * math.exp(h) / (1 - P + P * math.exp(h)) for h in (step, -step))
    (drawn,), (above,), (below,) = (loss_curves([name], counts, p=p) for p in (P, up, down))
    for group in ("majority", "minority"):
        slope = (getattr(above, group).loss - getattr(below, group).loss) / (2 * step)
        np.testing.assert_allclose(getattr(drawn, group).gradient, slope, rtol=1e-5, atol=1e-7)


def test_one_sigmoid_a_class_is_drawn_against_its_probability() -> None:
    plain = {"asl_multi_label": {"gamma_pos": 0.0, "gamma_neg": 0.0, "margin": 0.0}}
    (curves,) = loss_curves(["asl_multi_label"], LONG_TAIL, plain, p=P)
    others = -4 * np.log(1 - (1 - P) / 4)
    np.testing.assert_allclose(curves.minority.loss, -np.log(P) + others)
    np.testing.assert_allclose(curves.minority.gradient, P - 1)
    assert curves.note == "given the logits log(p / (1 - p)), so that p is the sigmoid of the own class's"


def test_level_of_the_logits_is_that_of_the_logarithms_of_p() -> None:
    (curves,) = loss_curves(["vs"], [1000, 50], {"vs": {"tau": 0.0, "gamma": 0.5}}, p=P)
    shrunk = P ** (0.05**0.5)
    np.testing.assert_allclose(curves.minority.loss, -np.log(shrunk / (shrunk + 1 - P)))


def test_most_and_least_frequent_class_are_majority_and_minority() -> None:
    weight = [0.0, 5.0, 0.0, 0.0, 3.0]
    (curves,) = loss_curves(["ce"], LONG_TAIL, {"ce": {"weight": weight}}, p=P)
    np.testing.assert_allclose(curves.majority.loss, -5 * np.log(P))
    np.testing.assert_allclose(curves.minority.loss, -3 * np.log(P))


def test_logit_adjustment_is_drawn_against_p_before_the_adjustment() -> None:
    (curves,) = loss_curves(["balanced_softmax"], [1000, 50], p=P)
    np.testing.assert_allclose(curves.minority.loss, -np.log(50 * P / (50 * P + 1000 * (1 - P))))
    np.testing.assert_allclose(curves.majority.gradient, 1000 * P / (1000 * P + 50 * (1 - P)) - 1)


@pytest.mark.parametrize("name", ["ldam", "cri"])
def test_cosine_loss_without_margin_and_focus_is_cross_entropy_whatever_its_scale(name: str) -> None:
    own: dict[str, Any] = {"max_margin": 0.0, "scale": 12.0} | ({"gamma": 0.0} if name == "cri" else {})
    (curves,) = loss_curves([name], [1000, 50], {name: own}, p=P)
    assert_curve(curves.majority, cross_entropy, cross_entropy_gradient)
    assert curves.note is not None
    assert "cosines z / 12" in curves.note


def test_gala_in_its_stated_state_is_balanced_softmax() -> None:
    gala, balanced = loss_curves(["gala", "balanced_softmax"], LONG_TAIL, p=P)
    # The counts are state with eps = 1e-3 added.
    np.testing.assert_allclose(gala.minority.gradient, balanced.minority.gradient, rtol=2e-3)
    np.testing.assert_allclose(gala.majority.loss, balanced.majority.loss, rtol=2e-3)
    assert gala.note is not None


def test_cyclical_focal_is_drawn_in_its_first_epoch() -> None:
    (curves,) = loss_curves(["cfl"], LONG_TAIL, {"cfl": {"label_smoothing": 0.0}}, p=P)
    np.testing.assert_allclose(curves.minority.loss, -((1 + P) ** 2) * np.log(P))
    assert curves.note is not None


def test_loss_of_a_batch_is_drawn_for_a_batch_of_one_sample() -> None:
    (curves,) = loss_curves(["dice"], [1000, 50], p=P)
    np.testing.assert_allclose(curves.majority.loss, 1 - ((2 * P + 1) / (P + 2) + 1 / (2 - P)) / 2)
    assert curves.note is not None
    assert "batch of this one sample" in curves.note


def test_own_arguments_are_read_by_loss() -> None:
    given = own_arguments(["gppe.alpha=-1", "focal.gamma=3", "gppe.detach_weight=true"])
    assert given == {"gppe": {"alpha": -1, "detach_weight": True}, "focal": {"gamma": 3}}


def test_arguments_may_name_a_loss_by_another_of_its_names() -> None:
    (by_alias,) = loss_curves(["ce"], arguments={"cross_entropy": {"label_smoothing": 0.5}}, p=P)
    assert by_alias.minority.loss[-1] > 1


@pytest.mark.parametrize(
    ("names", "counts", "arguments", "part"),
    [
        (["gpe"], [9, 1], {}, "did you mean 'gppe'"),
        ([], [9, 1], {}, "at least one"),
        (["ce", "cross_entropy"], [9, 1], {}, "different ones"),
        (["ce"], [5, 5], {}, "must differ"),
        (["ce"], [5], {}, "must differ"),
        (["ce"], [5, -1], {}, "must not be negative"),
        (["ldam"], [5, 0], {}, "class 1 has count 0"),
        (["ce"], [9, 1], {"gppe": {"alpha": 1}}, "gppe, which is not drawn"),
        (["gppe"], [9, 1], {"gppe": {"alpa": 1}}, "no setting 'alpa'"),
        (["gppe"], [9, 1], {"gppe": {"alpha": "steep"}}, "alpha: "),
        (["gppe"], [9, 1], {"gppe": {"margin": 2}}, "margin must be"),
        (["gppe"], [9, 1], {"gppe": {"alpha": math.nan}}, "a finite number"),
        (["gppe"], [9, 1], {"gppe": {"alpha": -1e300}}, "not finite"),
        (["focal"], [9, 1], {"focal": {"alpha": [1.0, 2.0, 3.0]}}, "alpha of FocalLoss has 3"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    names: list[str], counts: list[int], arguments: dict[str, dict[str, Any]], part: str
) -> None:
    with pytest.raises(InputError, match=part):
        loss_curves(names, counts, arguments)
