"""The one list of post-hoc corrections, from which recipes, the command line and the tests take theirs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tailwise.counts import CountsLike
from tailwise.posthoc._base import PosthocCorrection

CorrectionClass = TypeVar("CorrectionClass", bound=type[PosthocCorrection])

POSTHOC: dict[str, type[PosthocCorrection]] = {}
"""Every correction, by its name in recipes and on the command line."""


def register_posthoc(name: str) -> Callable[[CorrectionClass], CorrectionClass]:
    """List a correction under its name in recipes and on the command line."""

    def add(cls: CorrectionClass) -> CorrectionClass:
        if name in POSTHOC:
            raise ValueError(f"a correction named {name!r} is registered already")
        POSTHOC[name] = cls
        return cls

    return add


def find_posthoc(name: str) -> type[PosthocCorrection]:
    """A correction's class by its name.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in POSTHOC:
        raise ValueError(f"no correction is named {name!r}; there are {', '.join(POSTHOC)}")
    return POSTHOC[name]


def posthoc_arguments(name: str) -> dict[str, bool]:
    """The names of a correction's own keyword arguments, and whether it needs them to be given.

    Raises:
        ValueError: there is none of that name.
    """
    parameters = inspect.signature(find_posthoc(name)).parameters.values()
    return {own.name: own.default is own.empty for own in parameters if own.name != "class_counts"}


def build_posthoc(name: str, class_counts: CountsLike, **arguments: Any) -> PosthocCorrection:
    """Make a correction by its name in the command line.

    Args:
        name: a registered name, e.g. ``"logit-adjustment"``.
        class_counts: (C,) training counts; handed on to the corrections that take them.
        **arguments: the correction's own keyword arguments.

    Raises:
        ValueError: there is no such correction or argument, one that it needs is missing, or an argument is out of
            range.
    """
    cls = find_posthoc(name)
    own = posthoc_arguments(name)
    for key in arguments:
        if key not in own:
            raise ValueError(f"correction {name!r} has no argument {key!r}; it takes {', '.join(own) or 'none'}")
    for key, needed in own.items():
        if needed and key not in arguments:
            raise ValueError(f"correction {name!r} needs its argument {key!r}, which is not given")
    if "class_counts" in inspect.signature(cls).parameters:
        arguments["class_counts"] = class_counts
    return cls(**arguments)
