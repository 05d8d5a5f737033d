"""List the losses: what each needs, whether to adjust its logits at test time, and its paper."""

from __future__ import annotations

EXAMPLE = "Example: tailwise losses"


def run() -> None:
    from rich.table import Table

    from tailwise.cli.display import console
    from tailwise.losses import LOSSES

    table = Table("loss", "class", "class counts", "adjust at test time?", "paper")
    for entry in LOSSES.values():
        name = " ".join((entry.name, *(f"({alias})" for alias in entry.aliases)))
        table.add_row(name, entry.cls.__name__, entry.counts, entry.adjust_at_test, entry.paper)
    console().print(table)
