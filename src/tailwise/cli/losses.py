"""List the losses: what each needs, whether to adjust its logits at test time, its paper; `show` draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import parse_counts
from tailwise.terminal import echo

EXAMPLE = "Example: tailwise losses"
SHOW_EXAMPLE = "Example: tailwise losses show gppe sgpl focal ce --counts 1000,50 --set gppe.alpha=-1 --out view.svg"

app = typer.Typer()


@app.callback(invoke_without_command=True)
def run(context: typer.Context) -> None:
    from rich.table import Table

    from tailwise.cli.display import console
    from tailwise.losses import LOSSES

    if context.invoked_subcommand is not None:
        return
    table = Table("loss", "class", "needs", "adjust at test time?", "paper")
    for entry in LOSSES.values():
        name = " ".join((entry.name, *(f"({alias})" for alias in entry.aliases)))
        table.add_row(name, entry.cls.__name__, entry.inputs, entry.adjust_at_test, entry.paper)
    console().print(table)


@app.command(
    "show",
    help="Draw loss and gradient against the probability of the sample's class, for majority and minority.",
    epilog=SHOW_EXAMPLE,
)
def show(
    names: Annotated[list[str], typer.Argument(metavar="LOSS...", help="Names from `tailwise losses`, at most ten.")],
    counts: Annotated[
        str, typer.Option(help="Samples per class; the most and the least frequent class are drawn.")
    ] = "1000,50",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="LOSS.KEY=VALUE", help="A loss's own argument; repeatable.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="The image, .png or .svg.")] = Path("loss-curves.png"),
) -> None:
    from tailwise.report.loss_curves import loss_curves, own_arguments
    from tailwise.report.loss_figure import write_loss_figure

    class_counts = parse_counts(counts)
    write_loss_figure(out, loss_curves(names, class_counts, own_arguments(settings or ())), class_counts)
    echo(f"{out}")
