"""Every registered loss once more, as slow plain arithmetic, for the suite that holds them all to their contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tailwise.losses import (
    ClassificationLoss,
    CyclicalFocalLoss,
    EqualizedFocalLoss,
    GALALoss,
    SeesawLoss,
    build_loss,
    find_loss,
)


@dataclass(frozen=True)
class LossCase:
    """One setting of one loss.

    naive: (logits of one sample, its class, counts) -> its loss, in plain floats; None where the loss is of a batch.
    stops_gradient: whether a factor has no gradient by design, which finite differences would find.
    naive_batch: (logits of the samples, their classes, counts) -> the loss of a batch that is no mean over its samples.
    prepare: sets the state of a loss that gathers one in training; the suite tests such a loss in evaluation mode.
    """

    name: str
    naive: Callable[[list[float], int, list[int]], float] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[ClassificationLoss, list[int]], object] = lambda loss, counts: None
    stops_gradient: bool = False
    naive_batch: Callable[[list[list[float]], list[int], list[int]], float] | None = None

    @property
    def smoothable(self) -> bool:
        """Whether the loss takes ``label_smoothing``."""
        return "label_smoothing" in find_loss(self.name).arguments

    def expected(self, logits: Tensor, target: Tensor, counts: list[int]) -> Tensor:
        """The loss of a batch by plain arithmetic: the mean over its samples, or that of the batch as a whole."""
        samples, labels = logits.tolist(), target.tolist()
        if self.naive_batch is not None:
            return torch.tensor(self.naive_batch(samples, labels, counts), dtype=torch.float64)
        assert self.naive is not None
        each = [self.naive(z, y, counts) for z, y in zip(samples, labels, strict=True)]
        return torch.tensor(sum(each) / len(each), dtype=torch.float64)

    @property
    def label(self) -> str:
        settings = ",".join(f"{key}={value}" for key, value in self.arguments.items())
        return f"{self.name}({settings})"

    def build(self, counts: list[int], **options: Any) -> ClassificationLoss:
        loss = build_loss(self.name, counts, **{**self.arguments, **options})
        self.prepare(loss, counts)
        return loss.eval()


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    exps = [math.exp(z - top) for z in logits]
    total = sum(exps)
    return [e / total for e in exps]


def cross_entropy(logits: list[float], y: int, counts: list[int]) -> float:
    return -math.log(softmax(logits)[y])


def focal(gamma: float, alpha: list[float] | None = None) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        p = softmax(logits)[y]
        return -(1.0 if alpha is None else alpha[y]) * (1 - p) ** gamma * math.log(p)

    return naive


def asymmetric(gamma_pos: float, gamma_neg: float, eps: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        total = 0.0
        for j, p in enumerate(softmax(logits)):
            q = eps / len(logits) + (1 - eps if j == y else 0.0)
            factor = (1 - p) ** gamma_pos if j == y else p**gamma_neg
            total -= q * factor * math.log(p)
        return total

    return naive


def logit_adjusted(tau: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        total = sum(counts)
        weighted = [(n / total) ** tau * math.exp(z) for z, n in zip(logits, counts, strict=True)]
        return -math.log(weighted[y] / sum(weighted))

    return naive


def gppe(alpha: float, beta: float, margin: float, majority: list[int] | None = None) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        p = softmax(logits)[y]
        in_majority = counts[y] > sum(counts) / len(counts) if majority is None else y in majority
        if not in_majority:
            return -math.log(p)
        return -((1 - p) ** (alpha * (1 - p) + beta)) * math.log(min(p + margin, 1.0))

    return naive


def sgpl(alpha: float, beta: float, margin: float, eps: float, released: bool = False) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        k = (counts[y] - min(counts)) / (max(counts) - min(counts))
        k = float(int(k)) if released else k
        total = 0.0
        for j, p in enumerate(softmax(logits)):
            q = eps / len(logits) + (1 - eps if j == y else 0.0)
            if j == y:
                total -= q * (1 - p) ** ((alpha * (1 - p) + beta) * k) * math.log(min(p + k * margin, 1.0))
            else:
                total -= q * math.log(p)
        return total

    return naive


def cross_entropy_with_margin(scale: float, max_margin: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        margin = max_margin * counts[y] ** -0.25 / max(n**-0.25 for n in counts)
        return -math.log(softmax([scale * (z - margin * (j == y)) for j, z in enumerate(logits)])[y])

    return naive


def cri(scale: float, max_margin: float, gamma: float, correction: str, threshold: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        loss = cross_entropy_with_margin(scale, max_margin)(logits, y, counts)
        p = math.exp(-loss)
        at_threshold = -((1 - threshold) ** gamma) * math.log(threshold)
        if p < threshold and correction != "none":
            return {"zero": 0.0, "clip": at_threshold, "decay": p * at_threshold / threshold}[correction]
        return (1 - p) ** gamma * loss

    return naive


def gradients_of(counts: list[int]) -> tuple[list[float], list[float]]:
    """A state that GALA may have reached; the two sums are made to differ."""
    return [0.01 * n for n in counts], [0.02 * n**0.9 for n in counts]


def set_gradients(loss: ClassificationLoss, counts: list[int]) -> None:
    assert isinstance(loss, GALALoss)
    received, sent = gradients_of(counts)
    loss.positive_gradient += torch.tensor(received, dtype=torch.float64)
    loss.negative_gradient += torch.tensor(sent, dtype=torch.float64)


def gala(lambda_pos: float, lambda_neg: float, released: bool = False) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        received, sent = gradients_of(counts)
        adjusted = [
            z + lambda_pos * math.log(received[j] + 1e-3) - lambda_neg * math.log(sent[y] + 1e-3)
            if j != y or released
            else z
            for j, z in enumerate(logits)
        ]
        return cross_entropy(adjusted, y, counts)

    return naive


def cyclical_focal(gamma_pos: float, gamma_neg: float, gamma_hc: float, eta: float, eps: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        total = 0.0
        for j, p in enumerate(softmax(logits)):
            q = eps / len(logits) + (1 - eps if j == y else 0.0)
            asymmetric_factor = (1 - p) ** gamma_pos if j == y else p**gamma_neg
            confident_factor = (1 + p) ** gamma_hc if j == y else 1.0
            total -= q * ((1 - eta) * asymmetric_factor + eta * confident_factor) * math.log(p)
        return total

    return naive


def set_epoch(loss: ClassificationLoss, counts: list[int]) -> None:
    assert isinstance(loss, CyclicalFocalLoss)
    loss.set_epoch(3)


def label_aware_smoothing(head: float, tail: float, shape: Callable[[float], float]) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        eps = tail + (head - tail) * shape((counts[y] - min(counts)) / (max(counts) - min(counts)))
        log_p = [math.log(p) for p in softmax(logits)]
        return -(1 - eps) * log_p[y] - eps * sum(log_p) / len(log_p)

    return naive


def vs(gamma: float, tau: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        most = max(counts)
        scaled = [z / (most / n) ** gamma for z, n in zip(logits, counts, strict=True)]
        return logit_adjusted(tau)(scaled, y, counts)

    return naive


def poly(epsilon: float, gamma: float) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        p = softmax(logits)[y]
        return -((1 - p) ** gamma) * math.log(p) + epsilon * (1 - p) ** (gamma + 1)

    return naive


def smoothed(eps: float) -> Callable[..., float]:
    return label_aware_smoothing(eps, eps, lambda rank: rank)


def influence_balanced(alpha: float, epsilon: float, gamma: float = 0.0) -> Callable[..., float]:
    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        p = softmax(logits)
        influence = sum(abs(share - (j == y)) for j, share in enumerate(p))
        return -alpha / (influence + epsilon) * (1 - p[y]) ** gamma * math.log(p[y])

    return naive


def weighted_negatives(weight: Callable[[list[float], int, int, list[float]], float]) -> Callable[..., float]:
    """Softmax with each other class j of a sample of class y counted ``weight(p, y, j, prior)`` times."""

    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        p = softmax(logits)
        total = sum(counts)
        prior = [n / total for n in counts]
        others = sum(weight(p, y, j, prior) * share for j, share in enumerate(p) if j != y)
        return -math.log(p[y] / (p[y] + others))

    return naive


def equalization_weight(gamma: float, threshold: float | None) -> Callable[..., float]:
    def weight(p: list[float], y: int, j: int, prior: list[float]) -> float:
        rare = prior[j] < (1 / len(prior) if threshold is None else threshold)
        return 1 - gamma if rare else 1.0

    return weight


def seesaw_weight(p_exponent: float, q_exponent: float, eps: float) -> Callable[..., float]:
    def weight(p: list[float], y: int, j: int, prior: list[float]) -> float:
        mitigation = min(1.0, prior[j] / prior[y]) ** p_exponent
        return mitigation * max(1.0, p[j] / max(p[y], eps)) ** q_exponent

    return weight


def count_for_seesaw(loss: ClassificationLoss, counts: list[int]) -> None:
    assert isinstance(loss, SeesawLoss)
    assert loss.seen is not None
    loss.seen += torch.tensor(counts, dtype=torch.float64)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def one_vs_rest(
    positive: Callable[[float, int, list[int]], float], negative: Callable[[float, int, list[int]], float]
) -> Callable[..., float]:
    """The sum over the classes of a term of the class's probability, number and all counts."""

    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        terms = (
            positive(sigmoid(z), j, counts) if j == y else negative(sigmoid(z), j, counts) for j, z in enumerate(logits)
        )
        return sum(terms)

    return naive


def multi_label_asymmetric(gamma_pos: float, gamma_neg: float, margin: float) -> Callable[..., float]:
    def negative(p: float, j: int, counts: list[int]) -> float:
        shifted = max(p - margin, 0.0)
        return -(shifted**gamma_neg) * math.log(1 - shifted)

    return one_vs_rest(lambda p, j, counts: -((1 - p) ** gamma_pos) * math.log(p), negative)


def received_by_classes(counts: list[int]) -> tuple[list[float], list[float]]:
    """A state that the equalized focal loss may have reached; the largest class is in balance."""
    most, total = max(counts), sum(counts)
    return [0.05 * n for n in counts], [0.05 * n if n == most else 0.1 * total for n in counts]


def set_received(loss: ClassificationLoss, counts: list[int]) -> None:
    assert isinstance(loss, EqualizedFocalLoss)
    positive, negative = received_by_classes(counts)
    loss.positive_gradient += torch.tensor(positive, dtype=torch.float64)
    loss.negative_gradient += torch.tensor(negative, dtype=torch.float64)


def equalized_focal(gamma: float, scale: float, alpha: float) -> Callable[..., float]:
    def term(p: float, share: float, exponent: float) -> float:
        return -share * exponent / gamma * (1 - p) ** exponent * math.log(p)

    def naive(logits: list[float], y: int, counts: list[int]) -> float:
        received = zip(*received_by_classes(counts), strict=True)
        exponents = [gamma + scale * (1 - min(positive / negative, 1.0)) for positive, negative in received]
        return one_vs_rest(
            lambda p, j, counts: term(p, alpha, exponents[j]), lambda p, j, counts: term(1 - p, 1 - alpha, exponents[j])
        )(logits, y, counts)

    return naive


def lade(remine_lambda: float, regularizer_weight: float) -> Callable[..., float]:
    def naive(logits: list[list[float]], labels: list[int], counts: list[int]) -> float:
        samples = sum(counts)
        prior = [n / samples for n in counts]
        total = sum(logit_adjusted(1.0)(z, y, counts) for z, y in zip(logits, labels, strict=True)) / len(labels)
        for c, share in enumerate(prior):
            own = [z[c] for z, y in zip(logits, labels, strict=True) if y == c]
            mean = sum(own) / len(own) if own else 0.0
            top = max(z[c] for z in logits)
            partition = sum(math.exp(z[c] - top) / (len(prior) * share) for z in logits) / len(logits)
            log_partition = top + math.log(partition)
            bound = mean - log_partition - remine_lambda * log_partition**2
            total -= regularizer_weight * share * bound
        return total

    return naive


Sums = tuple[float, float, float]


def overlap(
    term: Callable[[Sums], float],
    sample: Callable[..., float] = lambda logits, y: 0.0,
    score: Callable[[float], float] = lambda p: p,
) -> Callable[..., float]:
    """The mean of ``term`` over the classes, of (true positives, false negatives, false positives), plus samples."""

    def naive(logits: list[list[float]], labels: list[int], counts: list[int]) -> float:
        probabilities = [[score(p) for p in softmax(z)] for z in logits]
        terms = []
        for c in range(len(logits[0])):
            own = [p[c] for p, y in zip(probabilities, labels, strict=True) if y == c]
            others = [p[c] for p, y in zip(probabilities, labels, strict=True) if y != c]
            terms.append(term((sum(own), len(own) - sum(own), sum(others))))
        samples = [sample(z, y) for z, y in zip(logits, labels, strict=True)]
        return sum(terms) / len(terms) + sum(samples) / len(samples)

    return naive


def dice(sums: Sums, smooth: float) -> float:
    hit, missed, wrong = sums
    return (2 * hit + smooth) / (2 * hit + missed + wrong + smooth)


def tversky(sums: Sums, delta: float, gamma: float, smooth: float) -> float:
    hit, missed, wrong = sums
    return (1 - (hit + smooth) / (hit + delta * missed + (1 - delta) * wrong + smooth)) ** gamma


CASES = [
    LossCase("cross_entropy", cross_entropy),
    LossCase("focal", focal(2.0)),
    LossCase("focal", focal(0.5, [1.0, 0.5, 2.0, 0.25, 3.0]), {"gamma": 0.5, "alpha": [1.0, 0.5, 2.0, 0.25, 3.0]}),
    LossCase("asl", asymmetric(0, 4, 0.1)),
    LossCase("asl", asymmetric(1, 2, 0.0), {"gamma_pos": 1.0, "gamma_neg": 2.0, "label_smoothing": 0.0}),
    LossCase("balanced_softmax", logit_adjusted(1.0)),
    LossCase("logit_adjusted", logit_adjusted(1.5), {"tau": 1.5}),
    LossCase("gppe", gppe(-2, 6, 0.05)),
    LossCase("gppe", gppe(-1, 0, 0.0, [1, 3]), {"majority_classes": [1, 3], "alpha": -1.0, "beta": 0.0, "margin": 0.0}),
    LossCase("sgpl", sgpl(-2, 6, 0.05, 0.1)),
    LossCase("sgpl", sgpl(-2, 6, 0.05, 0.1, released=True), {"variant": "released"}),
    LossCase("ldam", cross_entropy_with_margin(3.0, 0.5), {"scale": 3.0}),
    LossCase("cri", cri(3.0, 0.5, 1.5, "none", 0.5), {"scale": 3.0, "gamma": 1.5, "correction": "none"}),
    *(
        LossCase(
            "cri", cri(3.0, 0.2, 1.0, c, 0.2), {"scale": 3.0, "max_margin": 0.2, "correction": c, "threshold": 0.2}
        )
        for c in ("zero", "clip", "decay")
    ),
    LossCase("gala", gala(1.0, 1.0), prepare=set_gradients),
    LossCase(
        "gala",
        gala(1.2, 0.9, released=True),
        {"lambda_pos": 1.2, "lambda_neg": 0.9, "variant": "released"},
        set_gradients,
    ),
    LossCase("gala", gala(1.2, 0.9), {"lambda_pos": 1.2, "lambda_neg": 0.9}, set_gradients),
    LossCase("cyclical_focal", cyclical_focal(0, 4, 2, 1 - 2 * 3 / 9, 0.1), {"epochs": 10}, set_epoch),
    LossCase(
        "cyclical_focal",
        cyclical_focal(1, 2, 3, (4 * 3 / 6 - 1) / 3, 0.0),
        {"epochs": 7, "gamma_pos": 1.0, "gamma_neg": 2.0, "gamma_hc": 3.0, "factor": 4.0, "label_smoothing": 0.0},
        set_epoch,
    ),
    LossCase("label_aware_smoothing", label_aware_smoothing(0.3, 0.0, lambda r: math.sin(math.pi / 2 * r))),
    LossCase(
        "label_aware_smoothing",
        label_aware_smoothing(0.4, 0.1, lambda r: r**2.0),
        {"smooth_head": 0.4, "smooth_tail": 0.1, "shape": "exp", "power": 2.0},
    ),
    LossCase("dice", naive_batch=overlap(lambda sums: 1 - dice(sums, 1.0))),
    LossCase(
        "dice",
        arguments={"alpha": 1.0, "smooth": 0.5},
        naive_batch=overlap(lambda sums: 1 - dice(sums, 0.5), score=lambda p: (1 - p) * p),
    ),
    LossCase("focal_tversky", naive_batch=overlap(lambda sums: tversky(sums, 0.7, 0.75, 1e-6))),
    LossCase(
        "combo",
        arguments={"alpha": 0.3},
        naive_batch=overlap(lambda sums: -0.7 * dice(sums, 2e-6), lambda z, y: 0.3 * cross_entropy(z, y, [])),
    ),
    LossCase(
        "hybrid_focal",
        arguments={"focal_share": 0.4, "delta": 0.6, "gamma": 1.5},
        naive_batch=overlap(lambda sums: 0.6 * tversky(sums, 0.6, 1.5, 1e-6), lambda z, y: 0.4 * focal(2.0)(z, y, [])),
    ),
    LossCase("vs", vs(0.3, 1.0)),
    LossCase("vs", vs(0.5, 0.5), {"gamma": 0.5, "tau": 0.5}),
    LossCase("poly", poly(1.0, 0.0)),
    LossCase("poly", poly(-0.5, 2.0), {"epsilon": -0.5, "gamma": 2.0}),
    LossCase("label_over_smoothing", smoothed(0.98)),
    LossCase("logit_adjusted", logit_adjusted(0.75), {"tau": 0.75, "learnable": True}),
    LossCase("influence_balanced", influence_balanced(1000.0, 1e-3)),
    LossCase("influence_balanced", influence_balanced(10.0, 0.1, 1.5), {"alpha": 10.0, "epsilon": 0.1, "gamma": 1.5}),
    LossCase("equalization", weighted_negatives(equalization_weight(0.9, None))),
    LossCase("equalization", weighted_negatives(equalization_weight(1.0, 0.1)), {"gamma": 1.0, "threshold": 0.1}),
    LossCase("seesaw", weighted_negatives(seesaw_weight(0.8, 2.0, 0.01)), stops_gradient=True),
    LossCase("seesaw", weighted_negatives(seesaw_weight(0.5, 0.0, 0.1)), {"p": 0.5, "q": 0.0, "eps": 0.1}),
    LossCase("asl_multi_label", multi_label_asymmetric(1, 4, 0.05), {"detach_weight": False}),
    LossCase(
        "asl_multi_label",
        multi_label_asymmetric(0, 2, 0.0),
        {"gamma_pos": 0.0, "gamma_neg": 2.0, "margin": 0.0, "detach_weight": False},
    ),
    LossCase("equalized_focal", equalized_focal(2.0, 8.0, 0.25), prepare=set_received),
    LossCase("lade", naive_batch=lade(0.1, 0.1)),
    LossCase("lade", arguments={"remine_lambda": 0.01, "regularizer_weight": 1.0}, naive_batch=lade(0.01, 1.0)),
]


def problem(
    classes: int = 5, batch: int = 12, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Random logits, and targets from which the last class is missing."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, generator=generator, dtype=torch.float64).to(dtype)
    return logits, torch.randint(0, classes - 1, (batch,), generator=generator)


def counts_for(classes: int) -> list[int]:
    """Long-tailed counts, in no order of frequency."""
    return [1 + (c * 37) % 100 if c % 3 else 200 - c % 97 for c in range(classes)]
