"""What a hyper-parameter may be: the one place where a number, a flag or a choice out of its range is refused."""

from __future__ import annotations

import math

import numpy as np


def in_range(
    name: str,
    value: object,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> float:
    """``value`` as a float, if it is a finite number within the bounds that are given.

    Args:
        name: how the user calls it.
        value: a Python or numpy number; NaN and the infinities are always refused, for no bound keeps NaN out.
        at_least: closed lower bound.
        above: open lower bound.
        at_most: closed upper bound.
        below: open upper bound.

    Raises:
        ValueError: it is not such a number.
    """
    number = math.nan
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
    if math.isfinite(number) and at_least <= number <= at_most and above < number < below:
        return number
    bounds = [(at_least, "at least"), (above, "above"), (at_most, "at most"), (below, "below")]
    allowed = [f"{words} {bound:g}" for bound, words in bounds if math.isfinite(bound)]
    if not math.isfinite(number):
        allowed.append("a finite number")
    raise ValueError(f"{name} must be {' and '.join(allowed)}, got {value!r}")


def whole_number(name: str, value: object, at_least: float = -math.inf) -> int:
    """``value`` as an int, if it is an integer of Python or numpy that is not below ``at_least``.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= at_least:
        return int(value)
    bound = f" from {at_least:g} up" if math.isfinite(at_least) else ""
    raise ValueError(f"{name} must be a whole number{bound}, got {value!r}")


def flag(name: str, value: object) -> bool:
    """``value`` as a bool, if it is one of Python or numpy: a text such as "false" would count as true.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"{name} must be True or False, got {value!r}")


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not one of two or more ``choices``.

    Raises:
        ValueError: it is not.
    """
    if value not in choices:
        *others, last = (f'"{choice}"' for choice in choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, got {value!r}")
