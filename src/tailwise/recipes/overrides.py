"""What is laid over the settings of a recipe: mapping on mapping, and ``--set key=value``."""

from __future__ import annotations

import copy
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from tailwise.errors import InputError
from tailwise.recipes.yaml_text import YAMLProblemError, parse_yaml

Tree: TypeAlias = dict[str, Any]
Setting: TypeAlias = tuple[str, Any, str]
"""A dotted key, its value, and the text of both."""
CHOSEN_OTHERWISE = {
    "recipe": "the recipe's own name",
    "method": "--loss",
    "loss": "--loss",
    "loss.name": "--loss",
    "seed": "--seed or --seeds",
}


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """``base`` with ``over`` laid on top, mapping by mapping; a mapping that names another ``name`` replaces."""
    merged = copy.deepcopy(dict(base))
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and value.get("name") in (None, old.get("name")):
            merged[key] = merge(old, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def override(tree: Tree, settings: Sequence[str]) -> None:
    """Lay ``key=value`` over a tree, one after the other, but names before what is set beside them.

    Raises:
        InputError: a text is none such, or its key is chosen with an option of its own.
    """
    for key, value, text in _names_first([(*parse_override(text), text) for text in settings]):
        if key in CHOSEN_OTHERWISE:
            raise InputError(f"--set {text}: {key} is chosen with {CHOSEN_OTHERWISE[key]}")
        _set(tree, key, value)


def parse_override(text: str) -> tuple[str, Any]:
    """``key=value`` with the value read as YAML."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set takes key=value, got {text!r}; for example --set training.epochs=50")
    try:
        return key.strip(), parse_yaml(value)
    except YAMLProblemError as error:
        raise InputError(f"the value of --set {reprlib.repr(text)} is not valid YAML: {error}") from error


def _names_first(given: Iterable[Setting]) -> list[Setting]:
    """Settings in their order, but the name of a section, which brings its defaults, before the others of it."""
    ordered: list[Setting] = []
    for setting in given:
        section, _, field = setting[0].rpartition(".")
        place = len(ordered)
        if field == "name":
            keys = [key for key, *_ in ordered]
            # Those before the section as a whole, or what it is part of, was set are lost anyway.
            whole = max((at for at, key in enumerate(keys) if f"{section}.".startswith(f"{key}.")), default=-1)
            beside = (at for at, key in enumerate(keys) if key.startswith(f"{section}.") and key != setting[0])
            place = next((at for at in beside if at > whole), place)
        ordered.insert(place, setting)
    return ordered


def _set(tree: Tree, key: str, value: Any) -> None:
    """Set ``a.b.c`` in nested mappings."""
    *parents, last = key.split(".")
    if not all((*parents, last)):
        raise InputError(f"--set {key}: names are joined by single dots, as in training.epochs")
    for parent in parents:
        below = tree.setdefault(parent, {})
        if not isinstance(below, dict):
            raise InputError(f"--set {key}: {parent} is a value, {below!r}, and has nothing below it")
        tree = below
    if last == "name" and tree.get("name") != value:
        tree.clear()  # as in merge: what another name brings are its own fields
    tree[last] = value
