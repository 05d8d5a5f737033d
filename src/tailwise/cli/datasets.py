"""List the data sets and where their files belong."""

from __future__ import annotations

EXAMPLE = "Example: tailwise datasets"


def run() -> None:
    from tailwise.cli.display import console, listing
    from tailwise.data.sources import SOURCES

    table = listing("source", "what", "files, below --data-root or TAILWISE_DATA")
    for name, source in SOURCES.items():
        table.add_row(name, source.summary, source.layout)
    console().print(table)
