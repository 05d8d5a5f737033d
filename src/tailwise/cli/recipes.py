"""List the recipes that come with the package."""

from __future__ import annotations

EXAMPLE = "Example: tailwise recipes"


def run() -> None:
    from tailwise.cli.display import console, listing
    from tailwise.recipes.catalog import catalog

    table = listing("recipe", "what", "methods", "published")
    for recipe in catalog().values():
        table.add_row(recipe.name, recipe.about, " ".join(recipe.rows), recipe.published or "")
    console().print(table)
