"""List the recipes that come with the package."""

from __future__ import annotations

EXAMPLE = "Example: tailwise recipes"


def run() -> None:
    from rich.table import Table

    from tailwise.cli.display import console
    from tailwise.recipes.catalog import catalog

    table = Table("recipe", "what", "methods", "published")
    for recipe in catalog().values():
        table.add_row(recipe.name, recipe.about, " ".join(recipe.methods), recipe.published or "")
    console().print(table)
