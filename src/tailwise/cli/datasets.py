"""List the data sets and where their files belong."""

from __future__ import annotations

EXAMPLE = "Example: tailwise datasets"


def run() -> None:
    from rich.table import Table

    from tailwise.cli.display import console
    from tailwise.data.sources import SOURCES

    table = Table("source", "what", "files, below --data-root or TAILWISE_DATA")
    for name, source in SOURCES.items():
        table.add_row(name, source.summary, source.layout)
    console().print(table)
