"""The gradient view: what a loss gives a sample, and how hard it pulls at its logit, against the probability p_y."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike
from tailwise.errors import InputError
from tailwise.losses import (
    ClassificationLoss,
    CyclicalFocalLoss,
    EqualizationLoss,
    GALALoss,
    InfluenceBalancedLoss,
    LDAMLoss,
    LossEntry,
    VSLoss,
    build_loss,
    find_loss,
)
from tailwise.losses._one_vs_rest import OneVsRestLoss
from tailwise.recipes.catalog import validate
from tailwise.recipes.loss_config import LossConfig
from tailwise.recipes.overrides import parse_override

Curve = NDArray[np.float64]
GRID = np.linspace(0.005, 0.995, 199)


@dataclass(frozen=True, eq=False)
class ClassCurve:
    """One loss for samples of one class: ``loss`` L and ``gradient`` dL/dz_y at each of ``p``."""

    p: Curve
    loss: Curve
    gradient: Curve


@dataclass(frozen=True, eq=False)
class LossCurves:
    """One loss, for the most and the least frequent class; ``note`` says what had to be assumed to draw it."""

    name: str
    majority: ClassCurve
    minority: ClassCurve
    note: str | None


def loss_curves(
    names: Sequence[str],
    class_counts: CountsLike = (1000, 50),
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    p: Curve = GRID,
) -> list[LossCurves]:
    """The curves of each loss for a sample of the most frequent class and for one of the least frequent.

        z_y = log p_y,   z_j = log((1 - p_y) / (C - 1))   for j != y

    The other classes share 1 - p_y equally, and p_y is the softmax of the logits before the loss changes them by a
    prior, a margin or a state. L is the loss of that one sample, without reduction; its gradient is the derivative by
    z_y with the other logits held, negative where training raises z_y. Some kinds of loss need more than that:

    - on cosines (LDAM, CRI): the loss is given z / scale, so that p_y is the softmax of what it has scaled, before the
      margin; the gradient is by z, the scaled logit.
    - GALA, which gathers its state in training: theta = phi = n_c, sums proportional to the class counts.
    - cyclical focal, which is told the epoch: the first one, eta = 1; ``epochs`` need not be given.
    - of a whole batch (dice, focal Tversky, combo, hybrid focal, LADE): a batch of this one sample.
    - of a sigmoid for each class (multi-label ASL, equalized focal): the logits log(p / (1 - p)) of each class.
    - of the logits' level, not their differences alone (VS, LADE): the z above, whose softmax sums to 1 as they are.
    - influence-balanced: features of length 1; equalization: rare classes left out by their mean share.

    Args:
        names: different registered losses, by name or alias.
        class_counts: (C,) training counts, not all equal.
        arguments: a loss's name -> its own arguments, as in the ``loss`` section of a recipe.
        p: (P,) probabilities p_y, each between 0 and 1.

    Raises:
        InputError: a name, argument or count cannot be used.
    """
    entries = {name: _entry(name) for name in names}
    if not entries or len({entry.name for entry in entries.values()}) < len(names):
        raise InputError(f"the losses to draw must be different ones, at least one, got {', '.join(names) or 'none'}")
    own: dict[str, dict[str, Any]] = {entry.name: {} for entry in entries.values()}
    for name, values in (arguments or {}).items():
        if _entry(name).name not in own:
            raise InputError(f"arguments are given for {name}, which is not drawn; drawn are {', '.join(names)}")
        own[_entry(name).name] |= values
    counts = _unequal(class_counts)
    return [_curves_of(name, entry, own[entry.name], counts, p) for name, entry in entries.items()]


def own_arguments(overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``LOSS.ARGUMENT=VALUE`` texts, the values in YAML, as arguments by loss.

    Raises:
        InputError: a text is not of this form.
    """
    arguments: dict[str, dict[str, Any]] = {}
    for override in overrides:
        key, value = parse_override(override)
        name, _, argument = key.partition(".")
        if not name or not argument:
            raise InputError(f"--set takes LOSS.ARGUMENT=VALUE, got {override!r}; for example --set gppe.alpha=-1")
        arguments.setdefault(name, {})[argument] = value
    return arguments


def _entry(name: str) -> LossEntry:
    try:
        return find_loss(name)
    except ValueError as error:
        raise InputError(str(error)) from error


def _unequal(class_counts: CountsLike) -> ClassCounts:
    try:
        counts = ClassCounts(class_counts)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(str(error)) from error
    if counts.imbalance_factor == 1:
        raise InputError(
            f"class counts must differ, so that there is a majority and a minority, got {list(counts)}; "
            "for example 1000,50"
        )
    return counts


def _curves_of(name: str, entry: LossEntry, own: dict[str, Any], counts: ClassCounts, p: Curve) -> LossCurves:
    if entry.cls is CyclicalFocalLoss:
        own = {"epochs": 1, **own}
    checked = validate(LossConfig, {"name": entry.name, **own}, f"loss {name}")
    reduction = {"reduction": "none"} if entry.cls.sums_samples else {}
    try:
        loss = build_loss(entry.name, counts, **checked.arguments, **reduction).eval()
        note = _assume(loss, counts)
        majority = _curve(loss, int(counts.counts.argmax()), len(counts), p)
        minority = _curve(loss, int(counts.counts.argmin()), len(counts), p)
    except ValueError as error:
        raise InputError(f"loss {name}: {error}") from error
    for curve in (majority, minority):
        if not (np.isfinite(curve.loss).all() and np.isfinite(curve.gradient).all()):
            raise InputError(f"loss {name} is not finite with these arguments; choose more moderate ones")
    return LossCurves(name, majority, minority, note)


def _assume(loss: ClassificationLoss, counts: ClassCounts) -> str | None:
    """Bring a loss that is no function of the logits alone into a stated state; say which."""
    if isinstance(loss, GALALoss):
        loss.positive_gradient.copy_(counts.tensor())
        loss.negative_gradient.copy_(counts.tensor())
        return "state θ = φ = class counts; in training it gathers its own"
    if isinstance(loss, CyclicalFocalLoss):
        return "the first epoch (η = 1)"
    if isinstance(loss, LDAMLoss):
        return (
            f"given the cosines z / {loss.scale:g}, so that p is the softmax of the scaled cosines, before the margin"
        )
    if not loss.sums_samples:
        return "a loss of a whole batch, drawn for a batch of this one sample"
    if isinstance(loss, OneVsRestLoss):
        return "given the logits log(p / (1 - p)), so that p is the sigmoid of the own class's"
    if isinstance(loss, InfluenceBalancedLoss):
        return "features of length 1"
    if isinstance(loss, VSLoss):
        return "given the logarithms of p, on whose level it depends"
    if isinstance(loss, EqualizationLoss):
        return "rare classes left out by their mean share; in training they are drawn"
    return None


def _curve(loss: ClassificationLoss, label: int, num_classes: int, p: Curve) -> ClassCurve:
    own = torch.from_numpy(p)
    logits = ((1 - own) / (num_classes - 1)).log().unsqueeze(1).repeat(1, num_classes)
    logits[:, label] = own.log()
    if isinstance(loss, OneVsRestLoss):
        logits = logits - torch.log1p(-logits.exp())
    logits.requires_grad_()
    values = _loss_of_each(loss, logits, label)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    return ClassCurve(p, values.detach().numpy(), gradient[:, label].numpy())


def _loss_of_each(loss: ClassificationLoss, logits: Tensor, label: int) -> Tensor:
    """(P,) the loss of each row as a sample of class ``label``."""
    target = torch.full((len(logits),), label)
    if not loss.sums_samples:
        return torch.stack([loss(row.unsqueeze(0), target[:1]) for row in logits])
    if isinstance(loss, LDAMLoss):
        logits = logits / loss.scale
    values: Tensor = loss(logits, target)
    return values
