"""The search space: which values each argument of a loss may take, read from space.yaml and from the user."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, TypeAlias

from tailwise.errors import InputError
from tailwise.losses import LossEntry, find_loss
from tailwise.reading import expanded
from tailwise.recipes.yaml_text import parse_yaml, read_yaml

Value: TypeAlias = float | int | str | bool
OWN = "own"
SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False

    def holding(self, value: float) -> Range:
        """The range, widened so that it holds a value; on a logarithmic scale a value from 0 down cannot be held."""
        if self.log and value <= 0:
            return self
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def nearest(self, value: float) -> float:
        """The number of the range that is the nearest to a value."""
        return min(max(value, self.low), self.high)

    def rounded(self, value: float) -> float:
        """A number of the range as one would write it down."""
        return self.nearest(float(f"{value:.{SIGNIFICANT_DIGITS}g}"))


@dataclass(frozen=True)
class Choices:
    """A list of values, at least one."""

    values: tuple[Value, ...]


Domain: TypeAlias = Range | Choices


@dataclass(frozen=True)
class Space:
    """Domains of the losses' arguments by loss, and of what --search adds to a recipe; ``given`` came from the user."""

    losses: dict[str, dict[str, Domain]]
    recipe: dict[str, Domain]
    given: frozenset[str] = frozenset()

    def overridden(self, over: Space) -> Space:
        """The space with the domains of another one in place of its own."""
        losses = {name: dict(domains) for name, domains in self.losses.items()}
        for name, domains in over.losses.items():
            losses.setdefault(name, {}).update(domains)
        return Space(losses, self.recipe | over.recipe, self.given | over.given)


def default_space() -> Space:
    """That of space.yaml."""
    text = (resources.files("tailwise.tuning") / "space.yaml").read_text(encoding="utf-8")
    return replace(_space(parse_yaml(text), "space.yaml"), given=frozenset())


def read_space(given: str) -> Space:
    """The domains that the user gives: a YAML file like space.yaml, or ``LOSS.ARGUMENT=LOW:HIGH[:log],...``.

    A list of values is written ``A|B|C``, and one value fixes the argument.

    Raises:
        InputError: it is neither, a loss or argument is unknown, or a range is empty.
    """
    if given.endswith((".yaml", ".yml")):
        try:
            tree = read_yaml(expanded(given))
        except (OSError, ValueError) as error:
            raise InputError(
                f"--space {given} cannot be read ({str(error).splitlines()[0]}); give a YAML file"
            ) from None
        return _space(tree, f"--space {given}")
    tree = {"losses": {}, "recipe": {}}
    for part in given.split(","):
        key, equals, text = part.strip().partition("=")
        if not equals or not key or not text:
            raise InputError(
                f"--space takes LOSS.ARGUMENT=LOW:HIGH separated by commas, or a .yaml file, got {part!r}; for example "
                "--space gppe.alpha=-4:0,gppe.beta=1:8"
            )
        loss, dot, argument = key.partition(".")
        section = tree["losses"].setdefault(loss, {}) if dot else tree["recipe"]
        section[argument if dot else key] = _domain_tree(text)
    return _space(tree, "--space")


def _domain_tree(text: str) -> Any:
    if "|" in text:
        return {"choices": [_scalar(part) for part in text.split("|")]}
    parts = text.split(":")
    return [_scalar(part) for part in parts] if len(parts) > 1 else _scalar(text)


def _scalar(text: str) -> Value:
    """A number where it is one; YAML would take 1e-4 for a word."""
    try:
        return float(text)
    except ValueError:
        return {"true": True, "false": False}.get(text.strip(), text.strip())


def _space(tree: Any, origin: str) -> Space:
    if not isinstance(tree, dict) or set(tree) - {"losses", "recipe"}:
        raise InputError(f"{origin} must be a mapping with losses and recipe, as tailwise/tuning/space.yaml is")
    losses: dict[str, dict[str, Domain]] = {}
    given = set()
    for name, arguments in _mapping(tree.get("losses"), f"{origin}: losses").items():
        entry = _entry(name, origin)
        for argument, domain in _mapping(arguments, f"{origin}: losses.{name}").items():
            _require_argument(entry, argument, f"{origin}: {name}.{argument}")
            losses.setdefault(entry.name, {})[argument] = _domain(domain, f"{origin}: {name}.{argument}")
            given.add(f"{entry.name}.{argument}")
        losses.setdefault(entry.name, {})
    recipe = {}
    for name, domain in _mapping(tree.get("recipe"), f"{origin}: recipe").items():
        if name not in RECIPE_SETTINGS:
            raise InputError(f"{origin}: there is no {name!r} to search; there are {', '.join(RECIPE_SETTINGS)}")
        recipe[name] = _domain(domain, f"{origin}: {name}")
        given.add(name)
    return Space(losses, recipe, frozenset(given))


RECIPE_SETTINGS = ("lr", "weight_decay", "sampling")


def _mapping(tree: Any, where: str) -> Mapping[str, Any]:
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"{where} must be a mapping, got {tree!r}")
    return tree


def _entry(name: str, origin: str) -> LossEntry:
    try:
        return find_loss(name)
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from None


def _require_argument(entry: LossEntry, argument: str, where: str) -> None:
    if argument not in entry.arguments:
        near = difflib.get_close_matches(argument, entry.arguments, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(entry.arguments)}"
        raise InputError(f"{where}: {entry.name} has no argument {argument!r}; {hint}")


def _domain(tree: Any, where: str) -> Domain:
    """A domain of its YAML form.

    Raises:
        InputError: it is none.
    """
    if isinstance(tree, dict) and set(tree) == {"choices"} and isinstance(tree["choices"], list) and tree["choices"]:
        return Choices(tuple(tree["choices"]))
    if isinstance(tree, (int, float, str)):
        return Choices((tree,))
    if isinstance(tree, list) and len(tree) in (2, 3) and all(_is_number(bound) for bound in tree[:2]):
        low, high = float(tree[0]), float(tree[1])
        log = len(tree) == 3
        if (not log or (tree[2] == "log" and low > 0)) and low < high < float("inf"):
            return Range(low, high, log)
    raise InputError(
        f"{where}: a range is two numbers, the lower one first (both above 0 on a log scale), a list is "
        f"{{choices: [...]}}, got {tree!r}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
