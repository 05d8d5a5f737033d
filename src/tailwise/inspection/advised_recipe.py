"""A recipe of the user's own for the methods that are advised, and the commands that run it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tailwise.counts import ClassCounts
from tailwise.data.config import DataConfig
from tailwise.errors import InputError
from tailwise.inspection.evidence import Kind
from tailwise.reading import expanded
from tailwise.recipes.catalog import load_recipe

UPDATES = 2000
"""Steps of a training, about those of the studies that the advice rests on."""
HELD_OUT = 0.2
"""Of the training samples, where thresholds are fitted on them."""
ENOUGH_TO_HOLD_OUT = 20
"""Samples of the rarest class from which on some are held out."""

METHODS: dict[str, Callable[[int], dict[str, Any]]] = {
    "ce": lambda epochs: {},
    "balanced_softmax": lambda epochs: {},
    "gppe": lambda epochs: {},
    "sgpl": lambda epochs: {},
    "gala": lambda epochs: {},
    "focal": lambda epochs: {},
    "lade": lambda epochs: {},
    "ce+balanced-sampling": lambda epochs: {"loss": {"name": "ce"}, "sampling": {"name": "class-balanced"}},
    "cri+ppl": lambda epochs: {
        "model": {"head": "cosine"},
        "loss": {"name": "cri", "scale": 30, "max_margin": 0.1, "gamma": 1.0},
        "class_weights": {"name": "phased", "start": epochs // 2, "end": epochs * 4 // 5, "power": 5},
        "mixing": {"name": "phased", "start": epochs // 2, "end": epochs * 4 // 5, "power": 3, "alpha": 1},
    },
    "bcl": lambda epochs: {
        "loss": {"name": "logit_adjusted"},
        "contrastive": {"name": "bcl", "augmentation": [{"name": "crop", "padding": 4}]},
    },
}
"""Of a recipe of so many epochs; the simplest and cheapest first."""


def advised_recipe(
    name: str, about: str, config: DataConfig, counts: ClassCounts, kind: Kind, methods: Sequence[str]
) -> str:
    """The YAML of a recipe.

    Args:
        name: of the recipe.
        about: its line in a listing.
        config: its data.
        counts: (C,) training samples.
        kind: of the samples.
        methods: names of ``METHODS``.
    """
    total = sum(counts)
    batch_size = 128 if total >= 2000 else 64
    epochs = min(100, max(20, math.ceil(UPDATES * batch_size / total)))
    data = config.model_dump(mode="json", exclude_defaults=True)
    data["source"] = {"name": config.source.name, **data.get("source", {})}
    if kind == "images" and not config.augmentation:
        data["augmentation"] = [{"name": "crop", "padding": 4}]
    corrections: dict[str, Any] = {"ce+la": {"method": "ce", "posthoc": "logit-adjustment"}}
    if len(counts) == 2 and min(counts) >= ENOUGH_TO_HOLD_OUT:
        data.setdefault("validation_fraction", HELD_OUT)
        corrections["ce+thresholds"] = {"method": "ce", "posthoc": "thresholds", "metric": "f1"}
    tree = {
        "name": name,
        "about": about,
        "settings": {
            "data": data,
            "model": {"name": "lenet"} if kind == "images" else {"name": "mlp", "widths": [64, 64]},
            "optimizer": {"name": "adam", "lr": 0.001},
            "learning_rate": {"name": "cosine"},
            "training": {"epochs": epochs, "batch_size": batch_size},
        },
        "methods": {method: METHODS[method](epochs) for method in methods},
        "corrections": corrections,
    }
    return yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def write_recipe(path: Path, text: str) -> None:
    """Write a recipe, and see that it can be read.

    Raises:
        InputError: another file is there, or the folder cannot be written to.
    """
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise InputError(f"{path} is there already and differs; name another file with --recipe, or remove it")
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot write the recipe {path} ({error}); name another file with --recipe") from error
    template = load_recipe(str(path))
    for method in template.rows:
        template.resolve(template.trained_for(method))


def recipe_name(data: str) -> str:
    """A name that recipes may have, from what the user called the data."""
    path = expanded(data)
    stem = path.resolve().stem if path.suffix or path.is_dir() else data
    return re.sub(r"[^\w+-]+", "-", stem).strip("-+") or "data"
