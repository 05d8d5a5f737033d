"""What was chosen, as a recipe, and its one look at the test set: beside cross entropy, on all training samples."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml

from tailwise.recipes.catalog import RecipeTemplate, load_recipe
from tailwise.recipes.config import Recipe
from tailwise.recipes.overrides import Tree
from tailwise.report.comparison import Comparison, compare
from tailwise.report.evaluation import rows_of
from tailwise.report.runs import read_run
from tailwise.training.engine import RunOptions
from tailwise.training.run_directory import write_atomically
from tailwise.training.sweep import Job, run_directory
from tailwise.tuning.plan import BASELINE, Plan
from tailwise.tuning.study import Outcome

RECIPE = "best.yaml"
NAMING = ("recipe", "method", "seed")


def write_recipe(out: Path, plan: Plan, chosen: Outcome, command: str) -> RecipeTemplate:
    """Write OUT/best.yaml: the chosen method first, then the baseline, and the correction where one was chosen."""
    first = _settings(plan.final_recipe(chosen.method, chosen.values))
    baseline = _settings(plan.baseline)
    baseline["data"] |= {"validation_fraction": first["data"].get("validation_fraction", 0.0)}
    # Another choice has another name, so that it has other runs.
    name = BASELINE if first == baseline else f"{chosen.method}-trial-{chosen.number}"
    trees = {name: first, BASELINE: baseline}
    common = {
        key: value
        for key, value in first.items()
        if key != "loss" and all(tree.get(key) == value for tree in trees.values())
    }
    own = {method: {key: tree[key] for key in tree if key not in common} for method, tree in trees.items()}
    assert chosen.verdict is not None
    family: Tree = {
        "name": plan.baseline.recipe,
        "about": f"chosen by {plan.metric.replace('_', ' ')} on held-out samples",
        "settings": common,
        "methods": own,
    }
    if chosen.verdict.posthoc:
        correction = {"method": name, "posthoc": chosen.verdict.posthoc, "tau": chosen.verdict.tau}
        family["corrections"] = {f"{name}+{chosen.verdict.posthoc}": correction}
    text = yaml.safe_dump(family, sort_keys=False, allow_unicode=True, width=120)
    write_atomically(out / RECIPE, f"# Trial {chosen.number} of: {' '.join(command.split())}\n{text}")
    return load_recipe(str(out / RECIPE))


def _settings(recipe: Recipe) -> Tree:
    """What a recipe sets, without what names it."""
    tree: Tree = recipe.model_dump(mode="json", exclude_unset=True)
    optimizer = {"name": recipe.optimizer.name, **tree.get("optimizer", {})}
    return {**{key: value for key, value in tree.items() if key not in NAMING}, "optimizer": optimizer}


def rows(template: RecipeTemplate) -> list[str]:
    """Of the comparison: the baseline, what was chosen, and that corrected."""
    return [BASELINE, *(name for name in template.rows if name != BASELINE)]


def final_jobs(out: Path, template: RecipeTemplate, seeds: Sequence[int], options: RunOptions) -> list[Job]:
    """The runs of the comparison, below OUT/final, each with the command that makes it alone."""
    jobs = []
    for method in template.methods:
        for seed in seeds:
            recipe = template.resolve(method, seed)
            folder = run_directory(out / "final", recipe)
            words = ["tailwise", "train", str(out / RECIPE), "--loss", method, "--seed", str(seed)]
            words += ["--out", str(folder), "--device", options.device]
            words += ["--threads", str(options.threads)] if options.threads else []
            words += ["--data-root", str(options.data_root)] if options.data_root else []
            jobs.append(Job(recipe, folder, shlex.join(words)))
    return jobs


def compared(jobs: Sequence[Job], template: RecipeTemplate, metric: str) -> Comparison:
    """The finished runs on the test set; the metric of the search is among the columns, if the test set tells it."""
    shown = rows_of([read_run(job.out) for job in jobs], rows(template), template.corrections)
    comparison = compare(shown)
    if metric not in comparison.metrics and all(metric in run.metrics for run in shown):
        comparison = compare(shown, [metric, *comparison.metrics])
    return comparison


def looks_before(out: Path, template: RecipeTemplate) -> list[str]:
    """What one should know where the search was tested before, with another choice."""
    folder = out / "final" / template.name
    tested = {summary.parent.parent.name for summary in folder.glob("*/*/summary.json")}
    if not (others := sorted(tested - set(template.methods))):
        return []
    return [
        f"The test set was looked at before, for {', '.join(others)}: a search that goes on after such a look has its "
        "test set only half to itself."
    ]


def commands(out: Path, template: RecipeTemplate, seeds: Sequence[int]) -> list[str]:
    """What trains the chosen method once, and what makes the comparison again."""
    place = shlex.quote(str(out / RECIPE))
    compare_rows = f"tailwise compare {place} --loss {','.join(rows(template))} --seeds"
    return [f"tailwise train {place}", *([f"{compare_rows} {','.join(map(str, seeds))}"] if seeds else [])]
