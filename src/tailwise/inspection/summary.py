"""An inspection in words: what there is, what is wrong, what to train and why, as text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from tailwise.inspection.advice import Advice, advise
from tailwise.inspection.advised_recipe import advised_recipe, recipe_name, write_recipe
from tailwise.inspection.findings import Inspection
from tailwise.inspection.picture import counts_picture
from tailwise.inspection.problems import Problem, problems
from tailwise.losses import LOSSES
from tailwise.recipes.catalog import catalog, load_recipe

SHOWN = 5
"""Cases of a problem that the terminal shows; the page shows more."""


@dataclass(frozen=True)
class Summary:
    """What an inspection comes to.

    Args:
        found: what is in the data.
        problems: what is wrong with them.
        advice: what to train, and why.
        recipe: the file that is to hold a recipe for it; None where the data were a recipe already.
        recipe_text: what the file is to hold.
        commands: to type next.
    """

    found: Inspection
    problems: tuple[Problem, ...]
    advice: Advice
    recipe: Path | None
    recipe_text: str
    commands: tuple[str, ...]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What there is, as names and values."""
        found = self.found
        train = found.train
        facts = [
            ("samples", f"{sum(train):,} for training, {sum(found.test):,} for testing"),
            ("classes", f"{len(found.class_names):,}"),
        ]
        if found.shapes:
            shapes = [" x ".join(map(str, shape)) for shape in found.shapes]
            more = f" and {len(shapes) - 3} other shapes" if len(shapes) > 3 else ""
            facts.append(("images" if found.is_image else "features", ", ".join(shapes[:3]) + more))
        present = [count for count in train if count]
        facts.append(
            ("imbalance factor", f"{max(present) / min(present):.3g} ({max(present):,} to {min(present):,} samples)")
        )
        groups = train.groups()
        facts.append(
            (
                "many / medium / few",
                f"{len(groups.many)} / {len(groups.medium)} / {len(groups.few)} classes "
                "(over 100, 20 to 100, under 20 training samples)",
            )
        )
        return facts

    @property
    def verdict(self) -> str:
        """What to train, in a sentence."""
        method = "cross entropy" if self.advice.method == "ce" else self.advice.method
        return f"Train {method} first" + (", which is a guess for these data:" if self.advice.doubts else ", because:")

    def text(self) -> Text:
        """What there is, what is wrong and what to train, for the terminal."""
        text = counts_picture(self.found.train, self.found.class_names)
        text.append("\n")
        width = max(len(name) for name, _ in self.facts)
        for name, value in self.facts:
            text.append(f"{name:<{width}}  ", style="bold").append(f"{value}\n")
        text.append("\n")
        for problem in self.problems:
            text.append("! ", style="bold red").append(f"{problem.what}: {problem.mend}\n")
            for case in problem.cases[:SHOWN]:
                text.append(f"    {case}\n", style="dim")
            if len(problem.cases) > SHOWN:
                text.append(f"    and {len(problem.cases) - SHOWN:,} more\n", style="dim")
        if not self.problems:
            text.append("No problem found" + ("" if self.found.is_read else " in the labels") + ".\n")
        text.append(f"\n{self.verdict}\n", style="bold")
        for reason in (*self.advice.reasons, *self.advice.doubts):
            text.append(f"  - {reason}\n")
        return text

    def next_steps(self) -> Text:
        """The commands, for the terminal."""
        text = Text()
        text.append("Next, when what cannot be read is mended:\n" if self.found.broken else "Next:\n")
        for command in self.commands:
            text.append(f"  $ {command}\n", style="cyan")
        return text

    def write_recipe(self) -> None:
        """Write the recipe, where there is one to write.

        Raises:
            InputError: another file is where it goes, or it cannot be written.
        """
        if self.recipe is not None:
            write_recipe(self.recipe, self.recipe_text)


def summarize(
    found: Inspection, settings: Sequence[str] = (), recipe: Path | None = None, data_root: Path | None = None
) -> Summary:
    """Draw advice from what was found.

    Args:
        found: what is in the data.
        settings: of the data, as the user gave them.
        recipe: where the recipe goes; by default a file named like the data, in the working folder.
        data_root: for the commands, where they need to be told it.
    """
    kind = found.kind
    advice = advise(found.train, kind)
    name = recipe_name(found.data)
    path: Path | None = None
    recipe_text = ""
    if found.data in catalog() or found.data.endswith((".yaml", ".yml")):
        named = found.data
        known = load_recipe(named).methods
        methods = [method for method in advice.methods if method in known or method in LOSSES]
    else:
        methods = list(advice.methods)
        if "balanced_softmax" not in methods:
            methods.append("balanced_softmax")  # the simplest of what leads elsewhere
        path = recipe or Path(f"{name}.yaml")
        about = f"{found.data}, as tailwise inspect advises"
        recipe_text = advised_recipe(name, about, found.config, found.train, kind, methods)
        named, settings = str(path), ()
    options = [word for setting in settings for word in ("--set", setting)]
    options += ["--data-root", str(data_root)] if data_root is not None else []
    train = ["tailwise", "train", named, "--loss", advice.method if advice.method in methods else methods[0], *options]
    chosen = [] if path else ["--loss", ",".join(methods)]
    compare = ["tailwise", "compare", named, *chosen, "--seeds", "0-2", *options]
    commands = (shlex.join(train), shlex.join(compare))
    return Summary(found, tuple(problems(found)), advice, path, recipe_text, commands)
