"""What a search is: methods with the settings that may vary, and how a trial's settings become a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailwise.counts import ClassCounts
from tailwise.errors import InputError
from tailwise.losses import find_loss
from tailwise.recipes.catalog import RecipeTemplate, validate
from tailwise.recipes.config import Recipe
from tailwise.recipes.overrides import Tree
from tailwise.tuning.space import OWN, RECIPE_SETTINGS, SIGNIFICANT_DIGITS, Choices, Domain, Space, Value, default_space
from tailwise.tuning.validation import HeldOut, held_out

BASELINE = "ce"
METHODS = ("ce", "focal", "logit_adjusted", "vs", "gppe", "sgpl", "gala", "label_aware_smoothing", "ldam")
"""Searched unless the user names others: one network and one stage, each with a strength that matters."""
SEARCHED = ("loss", "strength", "posthoc", *RECIPE_SETTINGS)
DEFAULT_SEARCHED = ("loss", "strength", "posthoc")
STRENGTHS_OF_CORRECTIONS = ("logit-adjustment", "rebalance")


@dataclass(frozen=True)
class Parameter:
    """One thing that varies: its name in the study, its domain, and the method's own value, which lies within."""

    name: str
    domain: Domain
    default: Value


@dataclass(frozen=True)
class Method:
    """A method of the search: its run as the recipe has it, and what of it varies."""

    name: str
    recipe: Recipe
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Plan:
    """All that decides which trials there are and how they are judged.

    metric: on the held-out samples.
    posthoc: corrections that a trial may choose from, with their strength.
    folds: trainings of a trial, each with other held-out samples and another seed.
    fraction: of each class, held out.
    seed: of the search and of the first training of each trial.
    class_counts: (C,) of all training samples, whose many, medium and few classes the metric speaks of.
    """

    methods: dict[str, Method]
    baseline: Recipe
    metric: str
    posthoc: tuple[str, ...]
    folds: int
    fraction: float
    seed: int
    class_counts: ClassCounts

    @property
    def epochs_of_a_trial(self) -> int:
        """The most that a trial trains."""
        return self.folds * max(method.recipe.total_epochs for method in self.methods.values())

    def record(self) -> dict[str, Any]:
        """Plain data by which a search is known again."""
        methods = {
            method.name: {
                "recipe": method.recipe.model_dump(mode="json"),
                "space": {parameter.name: asdict(parameter) for parameter in method.parameters},
            }
            for method in self.methods.values()
        }
        others = {name: getattr(self, name) for name in ("metric", "folds", "fraction", "seed")}
        return {**others, "posthoc": list(self.posthoc), "methods": methods}

    def trial_recipe(self, method: str, values: Mapping[str, Value], fold: int) -> Recipe:
        """The run of one fold of a trial: held-out samples of its own, and no test on the way."""
        tree = self._tree(method, values)
        own = self.methods[method].recipe
        tree["data"] |= {"validation_fraction": self.fraction, "validation_fold": own.data.validation_fold + fold}
        tree["training"] |= {"evaluate_every": 0}
        tree["seed"] = self.seed + fold
        return validate(Recipe, tree, f"recipe {own.recipe}")

    def final_recipe(self, method: str, values: Mapping[str, Value]) -> Recipe:
        """The run on all training samples: those held out are given back, unless its second stage searches on them."""
        tree = self._tree(method, values)
        if getattr(self.methods[method].recipe.stage2, "tau", None) != "search":
            tree["data"] |= {"validation_fraction": 0.0}
        return validate(Recipe, tree, f"recipe {self.baseline.recipe}")

    def _tree(self, method: str, values: Mapping[str, Value]) -> Tree:
        own = self.methods[method].recipe
        tree: Tree = own.model_dump(mode="json", exclude_unset=True)
        optimizer = {"name": own.optimizer.name, **tree.get("optimizer", {})}
        for name, value in values.items():
            if name == "lr":
                assert isinstance(value, float)
                optimizer["lr"] = float(f"{own.optimizer.lr * value:.{SIGNIFICANT_DIGITS}g}")
            elif name == "weight_decay" and value != OWN:
                optimizer["weight_decay"] = value
            elif name == "sampling" and value != OWN:
                tree["sampling"] = {"name": value}
            elif "." in name and value != _own(own, argument := name.rpartition(".")[2]):
                tree["loss"] |= {argument: value}
        return {**tree, "optimizer": optimizer}


def make_plan(
    template: RecipeTemplate,
    methods: Sequence[str] | None,
    overrides: Sequence[str],
    searched: Collection[str],
    space: Space | None,
    posthoc: Sequence[str],
    metric: str,
    folds: int,
    seed: int,
    data_root: Path | None,
) -> tuple[Plan, HeldOut]:
    """The plan of a search, and the samples that it holds out. The data are read, but not the test samples.

    Args:
        template: the recipe.
        methods: of the recipe, or losses; by default ``METHODS``. One that is made for cosines gets a cosine head.
        overrides: ``--set``.
        searched: what varies, of ``SEARCHED``.
        space: domains that the user gives in place of those of the package.
        posthoc: corrections with a strength tau.
        metric: to choose by.
        folds: trainings of a trial.
        seed: of the search.
        data_root: folder of data sets.

    Raises:
        InputError: a name is unknown, a method does not fit the recipe, nothing varies, or the data have too few
            samples of a class or cannot tell the metric.
    """
    for name in searched:
        if name not in SEARCHED:
            raise InputError(f"--search takes {', '.join(SEARCHED)}, got {name!r}")
    for name in posthoc:
        if name not in STRENGTHS_OF_CORRECTIONS:
            raise InputError(
                f"--posthoc of a search takes {' and '.join(STRENGTHS_OF_CORRECTIONS)}, which have a strength and "
                f"need no further samples, got {name!r}"
            )
    names = list(methods or METHODS)
    if "loss" not in searched and len(names) > 1:
        if methods is None:
            names = [next(iter(template.methods))]
        else:
            raise InputError(f"--loss names {len(names)} methods, but --search does not have loss; add it or name one")
    domains = default_space() if space is None else default_space().overridden(space)
    made = {name: _method(template, name, overrides, searched, domains) for name in names}
    if len(made) == 1 and not next(iter(made.values())).parameters and "posthoc" not in searched:
        raise InputError(f"there is nothing to choose: {names[0]} is the one method, and --search lets nothing vary")
    _refuse_unused(domains, made, searched)
    baseline = template.resolve(BASELINE, None, overrides)
    samples = held_out(baseline.data, folds, metric, data_root)
    corrections = tuple(posthoc) if "posthoc" in searched else ()
    return Plan(made, baseline, metric, corrections, folds, samples.fraction, seed, samples.class_counts), samples


def _method(
    template: RecipeTemplate, name: str, overrides: Sequence[str], searched: Collection[str], space: Space
) -> Method:
    recipe = template.resolve(name, None, overrides)
    entry = find_loss(recipe.loss.name)
    if entry.cls.for_cosines and recipe.model.head != "cosine":
        tree = recipe.model_dump(mode="json", exclude_unset=True)
        tree["model"] |= {"head": "cosine"}
        recipe = validate(Recipe, tree, f"recipe {template.name}")
    parameters = []
    if "strength" in searched:
        for argument, domain in space.losses.get(entry.name, {}).items():
            given = f"{entry.name}.{argument}" in space.given
            parameters.append(_parameter(f"{name}.{argument}", domain, _own(recipe, argument), given))
    for setting in RECIPE_SETTINGS:
        if setting in searched:
            own = 1.0 if setting == "lr" else OWN
            parameters.append(_parameter(setting, space.recipe[setting], own, setting in space.given))
    return Method(name, recipe, tuple(parameters))


def _parameter(name: str, domain: Domain, own: Value, given: bool) -> Parameter:
    """The user's domain is kept, and the method's own value brought into it; another one is widened to hold it."""
    if isinstance(domain, Choices):
        return Parameter(name, domain, own if own in domain.values else domain.values[0])
    if not isinstance(own, (int, float)):  # an argument that is off by default
        return Parameter(name, domain, domain.low)
    domain = domain if given else domain.holding(own)
    return Parameter(name, domain, domain.nearest(own))


def _own(recipe: Recipe, argument: str) -> Any:
    """What a recipe has for an argument of its loss, or the loss itself; those that all losses share are off."""
    parameters = inspect.signature(find_loss(recipe.loss.name).cls).parameters
    default = parameters[argument].default if argument in parameters else 0.0
    return recipe.loss.arguments.get(argument, default)


def _refuse_unused(space: Space, methods: Mapping[str, Method], searched: Collection[str]) -> None:
    used = {find_loss(method.recipe.loss.name).name for method in methods.values()} if "strength" in searched else set()
    for name in sorted(space.given):
        loss, dot, _ = name.partition(".")
        if dot and loss not in used:
            raise InputError(f"--space names {name}, but the strength of {loss} is not searched; add it to --loss")
        if not dot and name not in searched:
            raise InputError(f"--space names {name}, which is not searched; add it to --search")
