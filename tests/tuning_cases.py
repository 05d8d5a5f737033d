"""Small searches: seconds of work, the real Optuna and the real training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipe_trees import QUICK
from tailwise.recipes.catalog import RecipeTemplate, load_recipe
from tailwise.training.engine import RunOptions
from tailwise.tuning.findings import Findings, find
from tailwise.tuning.plan import Plan, make_plan
from tailwise.tuning.search import Limits, search_trials
from tailwise.tuning.space import Space
from tailwise.tuning.study import Record
from tailwise.tuning.validation import HeldOut

RECIPE = "digits/long-tailed-if20"
OPTIONS = RunOptions(threads=1, device="cpu")


def quick_plan(
    methods: Sequence[str] | None = ("ce", "focal"),
    *overrides: str,
    searched: Sequence[str] = ("loss", "strength", "posthoc"),
    space: Space | None = None,
    posthoc: Sequence[str] = ("logit-adjustment",),
    metric: str = "balanced_accuracy",
    folds: int = 1,
    seed: int = 0,
    template: RecipeTemplate | None = None,
) -> tuple[Plan, HeldOut]:
    """Three epochs on 200 digits, 20 of the rarest class."""
    return make_plan(
        template or load_recipe(RECIPE),
        methods,
        (*QUICK, *overrides),
        searched,
        space,
        posthoc,
        metric,
        folds,
        seed,
        None,
    )


def ignore(line: dict[str, Any]) -> None:
    """A listener that does nothing."""


def searched(out: Path, plan: Plan, held_out: HeldOut, trials: int, processes: int = 1) -> Findings:
    """What a search of so many trials finds."""
    record = Record(out, plan)
    search_trials(record, Limits(trials, None), OPTIONS, processes, ignore)
    return find(record, held_out)


def told(findings: Findings) -> list[tuple[Any, ...]]:
    """All that decides the choice, trial by trial."""
    return [(o.number, o.method, o.values, o.verdict) for o in findings.outcomes]
