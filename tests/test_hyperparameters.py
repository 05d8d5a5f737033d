"""The one range check: what it lets through, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tailwise.hyperparameters import flag, in_range, one_of, whole_number


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2)])
def test_python_and_numpy_numbers_become_floats(value: Any) -> None:
    assert type(in_range("gamma", value)) is float


@pytest.mark.parametrize("bound", ["at_least", "at_most"])
def test_closed_bounds_are_within_the_range(bound: str) -> None:
    assert in_range("eps", 0.5, **{bound: 0.5}) == 0.5


@pytest.mark.parametrize("bound", ["above", "below"])
def test_open_bounds_are_not(bound: str) -> None:
    with pytest.raises(ValueError, match=rf"^eps must be {bound} 0\.5, got 0\.5$"):
        in_range("eps", 0.5, **{bound: 0.5})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "2", None, True, [2.0]])
def test_what_is_no_finite_number_is_refused_without_bounds(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^tau must be a finite number, got "):
        in_range("tau", value)


def test_both_bounds_are_named() -> None:
    with pytest.raises(ValueError, match=r"^margin must be at least 0 and below 1, got 1\.5$"):
        in_range("margin", 1.5, at_least=0, below=1)


@pytest.mark.parametrize("value", [2.0, "2", True, 0])
def test_whole_numbers_are_integers_from_the_bound_up(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^num_classes must be a whole number from 1 up, got "):
        whole_number("num_classes", value, at_least=1)
    assert type(whole_number("num_classes", np.int32(1), at_least=1)) is int


def test_flags_are_bools_alone() -> None:
    assert flag("learnable", np.bool_(True)) is True
    for value in ("false", 0, 1, None):
        with pytest.raises(ValueError, match=rf"^learnable must be True or False, got {value!r}$"):
            flag("learnable", value)


def test_the_choices_are_listed() -> None:
    one_of("form", "a", ("a", "b", "c"))
    with pytest.raises(ValueError, match=r"""^form must be "a", "b" or "c", got 'd'$"""):
        one_of("form", "d", ("a", "b", "c"))
