"""The one list of losses, from which recipes, the command line and the tests take theirs."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from tailwise.counts import CountsLike
from tailwise.losses._base import ClassificationLoss

TestAdjustment = Literal["logit adjustment", "re-balancing", "no"]
"""What helps the logits of a loss on balanced test data: those of some hold the correction for the prior already."""
LossClass = TypeVar("LossClass", bound=type[ClassificationLoss])


@dataclass(frozen=True)
class LossEntry:
    """What is known of a loss: its short names, class, source, and whether to correct its logits at test time."""

    name: str
    aliases: tuple[str, ...]
    cls: type[ClassificationLoss]
    paper: str
    adjust_at_test: TestAdjustment

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the keyword arguments."""
        own = [key for key in inspect.signature(self.cls).parameters if key != "options"]
        return (*own, *(key for key in self.cls.option_names if key not in own))

    @property
    def inputs(self) -> str:
        """What the loss takes beside logits and targets, in words: "-" is nothing."""
        counts = {"needed": "class counts", "optional": "class counts (optional)", "-": ""}[self.counts]
        if "num_classes" in self.arguments:
            counts = "class counts or their number"
        wanted = {
            counts: True,
            "cosines": self.cls.for_cosines,
            "features": self.cls.needs_features,
            "the epoch": hasattr(self.cls, "set_epoch"),
            "a whole batch": not self.cls.sums_samples,
            "one or several labels": self.cls.several_labels,
        }
        return ", ".join(name for name, is_wanted in wanted.items() if name and is_wanted) or "-"

    @property
    def counts(self) -> str:
        """How the loss takes ``class_counts``: "needed", "optional" or "-"."""
        return self.cls.counts_use()


LOSSES: dict[str, LossEntry] = {}
"""Every registered loss, by its name."""


def register_loss(
    name: str, *aliases: str, paper: str, adjust_at_test: TestAdjustment = "no"
) -> Callable[[LossClass], LossClass]:
    """List a loss class under a short lower-case name."""

    def add(cls: LossClass) -> LossClass:
        entry = LossEntry(name, aliases, cls, paper, adjust_at_test)
        taken = {key for known in LOSSES.values() for key in (known.name, *known.aliases)}
        for key in (name, *aliases):
            if key in taken:
                raise ValueError(f"a loss named {key!r} is registered already")
        LOSSES[name] = entry
        return cls

    return add


def find_loss(name: str) -> LossEntry:
    """The entry of a loss by its name or an alias.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    names = {key: entry for entry in LOSSES.values() for key in (entry.name, *entry.aliases)}
    if not isinstance(name, str):
        raise ValueError(f"a loss is named by a word such as 'gppe', got {name!r}")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(LOSSES))}"
        raise ValueError(f"no loss is named {name!r}: {hint}")
    return names[name]


def build_loss(name: str, class_counts: CountsLike | None = None, **arguments: Any) -> ClassificationLoss:
    """Make a loss by name.

    Args:
        name: a registered name, e.g. ``"gppe"``.
        class_counts: (C,) training counts; handed on to the losses that take them and are not told ``num_classes``.
        **arguments: the loss's own keyword arguments.

    Raises:
        ValueError: there is no such loss or argument, the class counts are needed but not given, or an argument is out
            of range.
    """
    entry = find_loss(name)
    for key in arguments:
        if key not in entry.arguments:
            raise ValueError(f"loss {entry.name!r} has no argument {key!r}; it takes {', '.join(entry.arguments)}")
    if entry.counts != "-" and "num_classes" not in arguments:
        arguments.setdefault("class_counts", class_counts)
    return entry.cls(**arguments)
