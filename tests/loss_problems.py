"""Losses of every setting, with batches that are hard to compute, as hypothesis draws them."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from tailwise.losses import LOSSES, ClassificationLoss, build_loss

LARGEST = 1e30
"""The size of logits up to which a loss promises to be finite."""
exponents = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0])
shares = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
smooth = st.sampled_from([1e-6, 0.5, 1.0])
flags = st.booleans()
penalties: dict[str, st.SearchStrategy[Any]] = {
    "alpha": st.sampled_from([-6.0, -2.0, 0.0, 2.0]),
    "beta": st.sampled_from([0.0, 1.0, 6.0]),
    "margin": st.sampled_from([0.0, 0.05, 0.45]),
}
variants = st.sampled_from(["published", "released"])
SETTINGS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "cross_entropy": {},
    "focal": {"gamma": exponents, "alpha": st.sampled_from([None, "per class"])},
    "asl": {"gamma_pos": exponents, "gamma_neg": exponents},
    "cyclical_focal": {
        "epochs": st.just(10),
        "gamma_pos": exponents,
        "gamma_neg": exponents,
        "gamma_hc": exponents,
        "factor": st.sampled_from([1.5, 2.0, 4.0]),
    },
    "balanced_softmax": {"tau": st.sampled_from([0.0, 0.5, 1.0, 3.0])},
    "logit_adjusted": {"tau": st.sampled_from([-1.0, 0.0, 0.5, 2.0]), "learnable": flags},
    "gppe": {"majority_classes": st.sampled_from([None, "some"]), **penalties, "detach_weight": flags},
    "sgpl": {**penalties, "variant": variants},
    "ldam": {"max_margin": st.sampled_from([0.0, 0.5, 1.0]), "scale": st.sampled_from([1.0, 30.0])},
    "cri": {
        "max_margin": st.sampled_from([0.0, 0.5]),
        "scale": st.sampled_from([1.0, 30.0]),
        "gamma": exponents,
        "correction": st.sampled_from(["zero", "clip", "decay", "none"]),
        "threshold": st.sampled_from([1e-50, 1e-3, 0.45]),
    },
    "gala": {
        "lambda_pos": st.sampled_from([0.0, 1.0, 1.2]),
        "lambda_neg": st.sampled_from([0.0, 0.9, 1.0]),
        "eps": st.sampled_from([1e-3, 1e-6]),
        "variant": variants,
    },
    "label_aware_smoothing": {
        "smooth_head": shares,
        "smooth_tail": shares,
        "shape": st.sampled_from(["concave", "linear", "convex"]),
        "power": st.sampled_from([None, 0.5, 2.0]),  # those that are given go with the shape "exp"
    },
    "label_over_smoothing": {},
    "dice": {"alpha": exponents, "smooth": smooth},
    "focal_tversky": {"delta": shares, "gamma": st.sampled_from([0.5, 0.75, 1.0, 2.0]), "smooth": smooth},
    "combo": {"alpha": shares, "beta": st.sampled_from([None, 0.1, 0.7]), "smooth": smooth},
    "hybrid_focal": {
        "focal_share": shares,
        "focal_gamma": exponents,
        "delta": shares,
        "gamma": st.sampled_from([0.5, 0.75, 1.0, 2.0]),
        "smooth": smooth,
    },
    "vs": {"gamma": st.sampled_from([0.0, 0.3, 1.0]), "tau": st.sampled_from([0.0, 1.0, 2.0])},
    "poly": {"epsilon": st.sampled_from([-1.0, -0.5, 0.0, 1.0, 5.0]), "gamma": exponents},
    "influence_balanced": {
        "alpha": st.sampled_from([1.0, 1000.0]),
        "epsilon": st.sampled_from([1e-3, 0.1]),
        "gamma": st.sampled_from([None, 0.5, 2.0]),
        "start": st.sampled_from([0, 1]),
    },
    "equalization": {"gamma": shares, "threshold": st.sampled_from([None, 0.01, 1.0])},
    "seesaw": {
        "p": st.sampled_from([0.0, 0.8, 3.0]),
        "q": st.sampled_from([0.0, 1.0, 1.5, 2.0]),
        "eps": st.sampled_from([1e-4, 1e-2]),
    },
    "asl_multi_label": {
        "gamma_pos": exponents,
        "gamma_neg": exponents,
        "margin": st.sampled_from([0.0, 0.05, 0.45]),
        "detach_weight": flags,
    },
    "equalized_focal": {
        "gamma": st.sampled_from([0.5, 2.0]),
        "scale": st.sampled_from([0.0, 8.0]),
        "alpha": st.sampled_from([0.1, 0.25, 0.9]),
    },
    "lade": {"remine_lambda": st.sampled_from([0.0, 0.1, 1.0]), "regularizer_weight": st.sampled_from([0.0, 0.1, 1.0])},
}
"""What is drawn of each loss's own arguments, beside class counts and smoothing."""
EVERY_CLASS_COUNTS = {"balanced_softmax", "logit_adjusted", "ldam", "cri", "vs", "lade"}
"""The losses that refuse counts of 0."""
FEW_CLASSES = 17
MILD_ROWS = ("normal", "constant", "zero", "tied", "sure", "one stands out")
HARD_ROWS = (*MILD_ROWS, "wide", "constant and large", "one huge", "extremes", "denormal", "all magnitudes")


@dataclass(frozen=True)
class Setting:
    """A loss before it is built: what it is told, and the state that it has reached; (C,) where per class."""

    name: str
    arguments: dict[str, Any]
    counts: tuple[int, ...]
    options: dict[str, Any]
    state: dict[str, list[float]] = field(default_factory=dict)
    epoch: int = 0

    def build(self, **options: Any) -> ClassificationLoss:
        """The loss in evaluation mode, with other options where they are given."""
        loss = build_loss(self.name, self.counts, **{**self.arguments, **self.options, **options})
        for name, sums in self.state.items():
            getattr(loss, name).copy_(torch.tensor(sums, dtype=torch.float64))
        if callable(set_epoch := getattr(loss, "set_epoch", None)):
            set_epoch(self.epoch)
        return loss.eval()

    def renamed(self, order: list[int]) -> Setting:
        """The same where class j is the one that was class ``order[j]``."""

        def moved(values: Any) -> Any:
            return [values[c] for c in order] if isinstance(values, (list, tuple)) else values

        arguments = {name: moved(value) for name, value in self.arguments.items() if name != "majority_classes"}
        if "majority_classes" in self.arguments:
            majority = self.arguments["majority_classes"]
            arguments["majority_classes"] = None if majority is None else [order.index(c) for c in majority]
        if self.name == "combo" and self.arguments["beta"] is not None and order[0] == 1:
            arguments["beta"] = 1 - self.arguments["beta"]
        ignore_index = self.options["ignore_index"]
        ignored = {"ignore_index": ignore_index if ignore_index < 0 else order.index(ignore_index)}
        return replace(
            self,
            arguments=arguments,
            counts=tuple(moved(self.counts)),
            options={name: moved(value) for name, value in self.options.items()} | ignored,
            state={name: moved(sums) for name, sums in self.state.items()},
        )


@dataclass(frozen=True)
class Problem:
    """A loss and a batch for it; ``seed`` and ``rows`` say what the logits and targets are drawn from."""

    setting: Setting
    rows: tuple[str, ...]
    seed: int

    @property
    def classes(self) -> int:
        """C."""
        return len(self.setting.counts)

    @property
    def ignored(self) -> int:
        """The class index that counts for nothing, which may be that of a class."""
        ignore_index: int = self.setting.options["ignore_index"]
        return ignore_index

    @property
    def order(self) -> list[int]:
        """Another order of the classes."""
        return [int(c) for c in np.random.default_rng((self.seed, 1)).permutation(self.classes)]

    def logits(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """(B, C), as large as the dtype and the promise allow."""
        random = np.random.default_rng((self.seed, 2))
        rows = np.stack([drawn_row(kind, self.classes, random) for kind in self.rows])
        largest = min(LARGEST, torch.finfo(dtype).max)
        return torch.from_numpy(rows.clip(-largest, largest)).to(dtype)

    def target(self, ignoring: bool = False) -> Tensor:
        """(B,) int64: any classes, also the likeliest and the least likely; some to be ignored if ``ignoring``."""
        random = np.random.default_rng((self.seed, 3))
        logits = self.logits()
        label = torch.from_numpy(random.integers(0, self.classes, len(logits)))
        pick = torch.from_numpy(random.integers(0, 4, len(logits)))
        label = torch.where(pick == 0, logits.argmax(dim=1), torch.where(pick == 1, logits.argmin(dim=1), label))
        if not ignoring:
            return torch.where(label == self.ignored, (label + 1) % self.classes, label)
        return label.masked_fill(torch.from_numpy(random.random(len(logits)) < 0.3), self.ignored)

    def soft_target(self) -> Tensor:
        """(B, C) float64 that sums to 1: of one class, of two as mixing makes it, or of all up to a few."""
        random = np.random.default_rng((self.seed, 4))
        first, second = (torch.nn.functional.one_hot(t, self.classes).double() for t in (self.target(), self.target()))
        second = second.roll(1, dims=1)
        share = torch.from_numpy(random.random((len(self.rows), 1)))
        # Of some alone where there are many, for each that a target names costs some losses a softmax.
        spread = torch.zeros(len(self.rows), self.classes, dtype=torch.float64)
        named = random.permutation(self.classes)[:FEW_CLASSES]
        spread[:, named] = torch.from_numpy(random.dirichlet([0.5] * len(named), len(self.rows)))
        mixed = share * first + (1 - share) * second
        kind = torch.from_numpy(random.integers(0, 3, (len(self.rows), 1)))
        return torch.where(kind == 0, first, torch.where(kind == 1, mixed, spread))


def drawn_row(kind: str, classes: int, random: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(C,) logits of one sample."""
    normal = random.normal(size=classes) * 3
    if kind == "normal":
        return normal
    if kind == "wide":
        return normal * 10.0 ** random.uniform(1, 29)
    if kind in ("constant", "constant and large"):
        return np.full(classes, random.normal() * (1e29 if "large" in kind else 3))
    if kind == "zero":
        return np.zeros(classes)
    if kind == "tied":
        return random.choice([0.0, 4.0], classes)
    if kind == "extremes":
        return random.choice([-LARGEST, LARGEST, 0.0], classes)
    if kind == "denormal":
        return normal * random.choice([1e-310, 1e-42, 1e-7])
    if kind == "all magnitudes":
        return np.sign(normal) * 10.0 ** random.uniform(-30, 30, classes)
    sizes = {"sure": [8.0, 12.0], "one stands out": [-6.0, 4.0], "one huge": [15.0, 17.0, -40.0, 200.0, 1e4, 1e30]}
    row = normal if kind == "one stands out" else np.zeros(classes)
    row[random.integers(classes)] = random.choice(sizes[kind])
    return row


@st.composite
def settings_of(draw: st.DrawFn, name: str, classes: int, weighted: bool | None = None) -> Setting:
    """A setting of a loss; with weights, without, or (None) either."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arguments = {key: draw(values) for key, values in SETTINGS[name].items()}
    if arguments.get("alpha") == "per class":
        arguments["alpha"] = random.choice([0.0, 0.25, 1.0, 3.0], classes).tolist()
    if arguments.get("majority_classes") == "some":
        arguments["majority_classes"] = random.permutation(classes)[: random.integers(0, classes + 1)].tolist()
    if arguments.get("power") is not None:
        arguments["shape"] = "exp"
    if name == "combo" and classes > 2:
        arguments["beta"] = None
    # Of several labels each entry, 0 or 1, may be the one that is ignored.
    ignored = [-100, -1] if LOSSES[name].cls.several_labels else [-100, -1, 0, 1]
    options: dict[str, Any] = {"ignore_index": draw(st.sampled_from(ignored))}
    if "label_smoothing" in LOSSES[name].arguments:
        options["label_smoothing"] = draw(shares)
    if draw(flags) if weighted is None else weighted:
        options["weight"] = random.choice([0.0, 0.2, 1.0, 5.0], classes, p=[0.1, 0.3, 0.3, 0.3]).tolist()
    counts = draw(st.sampled_from(["any", "equal", "two"]))
    least = 1 if name in EVERY_CLASS_COUNTS else 0
    drawn_counts = {
        "any": np.maximum(least, 10.0 ** random.uniform(-0.5, 7, classes)).astype(np.int64),
        "equal": np.full(classes, 100),
        "two": random.choice([max(least, 0), 1000], classes),
    }[counts]
    drawn_counts[random.integers(classes)] += 1  # one class at least has a sample
    state: dict[str, list[float]] = {}
    if LOSSES[name].cls.gathered and draw(flags):
        if name == "seesaw":
            arguments["num_classes"] = classes
        gathered = [
            key for key in LOSSES[name].cls.gathered if key != "latest_sums" or arguments["variant"] == "released"
        ]
        state = {
            key: (10.0 ** random.uniform(-3, 5, classes) * (random.random(classes) > 0.2)).tolist() for key in gathered
        }
    return Setting(name, arguments, tuple(drawn_counts.tolist()), options, state, draw(st.integers(0, 9)))


@st.composite
def problems(
    draw: st.DrawFn,
    name: str,
    kinds: tuple[str, ...] = HARD_ROWS,
    weighted: bool | None = None,
    sizes: tuple[int, ...] = (2, 3, 5, 17),
) -> Problem:
    """A problem of a loss: of one sample up to seven, rows of ``kinds``, as many classes as one of ``sizes``."""
    size = draw(st.sampled_from(sizes))
    rows = tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7)))
    return Problem(draw(settings_of(name, size, weighted)), rows, draw(st.integers(0, 2**32 - 1)))


def own_arguments(name: str) -> set[str]:
    """The arguments of a loss that ``SETTINGS`` must know."""
    shared = {"class_counts", "num_classes", "label_smoothing", "options"}
    return set(inspect.signature(LOSSES[name].cls).parameters) - shared


def fresh(loss: ClassificationLoss) -> ClassificationLoss:
    """A copy, whose state the next batch may change."""
    return copy.deepcopy(loss)
