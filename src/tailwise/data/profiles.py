"""Imbalance profiles: how many samples each class keeps, and which ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from fractions import Fraction
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tailwise.counts import ClassCounts, CountsLike
from tailwise.errors import InputError
from tailwise.sampling import SamplesByClass

TestProfile: TypeAlias = Literal["natural", "uniform", "long-tailed", "backward"]


def exponential_counts(num_classes: int, max_count: int, imbalance_factor: float) -> ClassCounts:
    """Long-tailed counts: n_c = floor(max_count * imbalance_factor^(-c / (C-1))).

    Args:
        num_classes: C >= 2; class 0 is the most frequent.
        max_count: samples of class 0.
        imbalance_factor: max_count over the last class's count, 1 <= imbalance_factor <= max_count.

    Raises:
        InputError: a parameter out of its range.

    Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
    """
    return _decreasing_counts(num_classes, max_count, imbalance_factor, lambda part: imbalance_factor**-part)


def linear_counts(num_classes: int, max_count: int, imbalance_factor: float) -> ClassCounts:
    """Counts falling in equal steps: n_c = floor(max_count * (1 - c / (C-1) * (1 - 1 / imbalance_factor))).

    Arguments and errors as for :func:`exponential_counts`.
    """
    return _decreasing_counts(
        num_classes, max_count, imbalance_factor, lambda part: 1 - part * (1 - 1 / imbalance_factor)
    )


def step_counts(
    num_classes: int, majority_count: int, minority_count: int, majority_classes: Sequence[int]
) -> ClassCounts:
    """Two levels: ``majority_count`` samples of each majority class, ``minority_count`` of every other.

    Args:
        num_classes: C.
        majority_count: at least ``minority_count``.
        minority_count: at least 1.
        majority_classes: labels from 0 to C-1, each once, not all of them.

    Raises:
        InputError: a parameter out of its range.
    """
    if majority_count < minority_count:
        raise InputError(f"majority_count must be at least minority_count={minority_count}, got {majority_count}")
    minority_classes = sorted(set(range(num_classes)).difference(majority_classes))
    if not majority_classes or not minority_classes:
        raise InputError(
            f"majority_classes must be some of the {num_classes} classes but not all, got {list(majority_classes)}"
        )
    return multi_step_counts(num_classes, [(majority_count, majority_classes), (minority_count, minority_classes)])


def multi_step_counts(num_classes: int, steps: Sequence[tuple[int, Collection[int]]]) -> ClassCounts:
    """Several levels.

    Args:
        num_classes: C.
        steps: pairs (count, classes): ``count`` samples of each of the ``classes``; each label from 0 to C-1 in
            exactly one step.

    Raises:
        InputError: a count below 1, or a class that is unknown, missing or listed twice.
    """
    counts = [0] * num_classes
    for count, classes in steps:
        if count < 1:
            raise InputError(f"a step's count must be at least 1, got {count}; leave the class out of the data instead")
        for label in classes:
            if not 0 <= label < num_classes:
                raise InputError(f"classes must lie from 0 to {num_classes - 1}, got {label}")
            if counts[label]:
                raise InputError(f"each class must be listed once, got class {label} twice")
            counts[label] = count
    missing = [label for label, count in enumerate(counts) if not count]
    if missing:
        raise InputError(f"each of the {num_classes} classes must be listed, class {missing[0]} is not")
    return ClassCounts(counts)


def subset_indices(targets: ArrayLike, class_counts: CountsLike, seed: int | None, fold: int = 0) -> NDArray[np.int64]:
    """Which samples to keep so that class c has ``class_counts[c]`` of them.

    Each class is drawn by its own generator, seeded by (seed, class): changing one class's count leaves the others'
    samples as they are, and with the same seed a smaller count's samples are among a larger one's.

    Args:
        targets: (N,) integer labels, 0 <= label < C.
        class_counts: C wanted counts.
        seed: of the draw, 0 or larger; None takes the first samples of each class.
        fold: 1 takes the samples that follow those of 0, and so on; past the last sample of a class from its first.

    Returns:
        Ascending int64 indices into ``targets``.

    Raises:
        InputError: a class has fewer samples than wanted, a label is not below C, or the seed is negative.
    """
    if seed is not None and (not isinstance(seed, (int, np.integer)) or seed < 0):
        raise InputError(f"seed must be a whole number from 0 up, or None for the first samples, got {seed!r}")
    labels = np.asarray(targets)
    wanted = ClassCounts(class_counts)
    try:
        available = ClassCounts.from_targets(labels, wanted.num_classes)
    except ValueError as error:
        raise InputError(str(error)) from error
    missing = np.flatnonzero(wanted.counts > available.counts)
    if missing.size:
        label = int(missing[0])
        raise InputError(
            f"class {label} has {available[label]} samples, {wanted[label]} were asked for; ask for fewer, or, in a "
            "recipe's data.profile, set cap: true to take what there is"
        )
    if wanted == available:
        return np.arange(len(labels))
    by_class = SamplesByClass(labels, wanted.num_classes)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.flatnonzero(wanted.counts).tolist():
        members, count = by_class.members(label), wanted[label]
        if count < len(members) and seed is not None:
            members = np.random.default_rng((seed, label)).permutation(members)
        chosen[(np.roll(members, -fold * count) if fold else members)[:count]] = True
    return np.flatnonzero(chosen)


def validation_counts(class_counts: CountsLike, fraction: float) -> ClassCounts:
    """Counts of a validation split carved from training data: round(fraction * n_c) of each class.

    A class with at least two samples gives at least one and keeps at least one; a class with fewer gives none.

    Args:
        class_counts: training samples per class, (C,).
        fraction: from 0 to below 1.

    Raises:
        InputError: no class has two samples.
    """
    counts = ClassCounts(class_counts).counts
    if counts.max() < 2:
        raise InputError("validation_fraction needs a class with at least two training samples, there is none")
    carved = np.rint(fraction * counts).astype(np.int64)
    return ClassCounts(np.where(counts > 1, carved.clip(1, np.maximum(counts - 1, 1)), 0))


def test_counts(available: CountsLike, profile: TestProfile, train_counts: CountsLike) -> ClassCounts:
    """Counts of a test set cut to a profile.

    Args:
        available: test samples per class, (C,).
        profile: ``natural`` keeps all; ``uniform`` keeps as many of every class as the rarest has; ``long-tailed``
            has the proportions of training; ``backward`` hands the training counts out in reverse order of
            frequency, so that the most frequent training class gets the fewest. The latter two are as large as the
            available samples allow, with at least one sample of each class.
        train_counts: training samples per class, (C,).

    Raises:
        InputError: an unknown profile, unequal numbers of classes, or a class without a test sample (except for
            ``natural``).
    """
    existing, train = ClassCounts(available), ClassCounts(train_counts)
    if profile not in get_args(TestProfile):
        raise InputError(f"test profile must be one of {', '.join(get_args(TestProfile))}, got {profile}")
    if len(existing) != len(train):
        raise InputError(f"test and training data must have the same classes, got {len(existing)} and {len(train)}")
    if profile == "natural":
        return existing
    if not existing.counts.all():
        missing = int(np.flatnonzero(existing.counts == 0)[0])
        raise InputError(f"test profile {profile} needs every class in the test data, class {missing} has no sample")
    if profile == "uniform":
        return ClassCounts([min(existing)] * len(existing))
    wanted = train.counts.copy()
    if profile == "backward":
        by_frequency = np.argsort(-wanted, kind="stable")
        wanted[by_frequency] = wanted[by_frequency[::-1]]
    return _as_many_as_exist(wanted, existing)


def _decreasing_counts(
    num_classes: int, max_count: int, imbalance_factor: float, share: Callable[[float], float]
) -> ClassCounts:
    """floor(max_count * share(c / (C-1))), unharmed by rounding: 49.999999999999 is 50."""
    if num_classes < 2:
        raise InputError(f"num_classes must be at least 2, got {num_classes}")
    if max_count < 1:
        raise InputError(f"max_count must be at least 1, got {max_count}")
    if not 1 <= imbalance_factor <= max_count:
        raise InputError(
            f"imbalance_factor must lie from 1 to max_count={max_count}, so that the rarest class keeps a sample, "
            f"got {imbalance_factor:g}"
        )
    exact = [max_count * share(label / (num_classes - 1)) for label in range(num_classes)]
    return ClassCounts([math.floor(count * (1 + 1e-12)) for count in exact])


def _as_many_as_exist(wanted: NDArray[np.int64], existing: ClassCounts) -> ClassCounts:
    """``wanted`` scaled by the one factor at which the scarcest class is used up, rounded down to at least 1."""
    counts = wanted.tolist()
    scale = min(Fraction(most, count) for most, count in zip(existing, counts, strict=True) if count)
    return ClassCounts([max(1, math.floor(count * scale)) for count in counts])
