"""A comparison as a table in the terminal or in Markdown."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tailwise.report.comparison import SIGNIFICANT, Cell, Comparison

HEADINGS = {
    "accuracy": "acc",
    "balanced_accuracy": "bal. acc",
    "f1": "F1",
    "macro_f1": "macro F1",
    "g_mean": "G-mean",
    "mcc": "MCC",
    "auc": "AUC",
    "ap": "AP",
    "ece": "ECE",
    "accuracy_many": "many",
    "accuracy_medium": "medium",
    "accuracy_few": "few",
}


def comparison_table(comparison: Comparison) -> Table:
    """For the terminal: the best mean of a column bold, significant differences from the reference starred."""
    table = Table(title=comparison.recipe, caption=caption(comparison), title_style="bold")
    table.title_justify = table.caption_justify = "left"
    table.add_column("method", no_wrap=True)
    for metric in comparison.metrics:
        table.add_column(HEADINGS.get(metric, metric), justify="right", overflow="fold")
    for method, cells in comparison.cells.items():
        texts = [
            Text(cell_text(cells[metric]) + star(cells[metric]), style="bold" if cells[metric].best else "")
            for metric in comparison.metrics
        ]
        table.add_row(method, *texts)
    return table


def comparison_markdown(comparison: Comparison) -> str:
    """For documents: the same as a GitHub table."""
    headings = ["method", *(HEADINGS.get(metric, metric) for metric in comparison.metrics)]
    rows = [headings, ["---"] + ["---:"] * len(comparison.metrics)]
    for method, cells in comparison.cells.items():
        rows.append([method, *(_markdown(cells[metric]) for metric in comparison.metrics)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"### {comparison.recipe}", "", *lines, "", caption(comparison).replace("*", "\\*"), ""])


def caption(comparison: Comparison) -> str:
    """What the numbers are."""
    numbers = {len(seeds) for seeds in comparison.seeds.values()}
    seeds = f"{min(numbers)}" if len(numbers) == 1 else f"{min(numbers)} to {max(numbers)}"
    sizes = sorted(set(comparison.num_parameters.values()))
    parameters = " to ".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1])))
    sentences = (
        f"Percent on the test set after the last of {comparison.epochs} epochs: mean ± sample standard deviation over "
        f"{seeds} seed{'s' if numbers != {1} else ''}. {comparison.model}, {parameters} parameters. "
        f"* differs from {comparison.reference}: paired t-test over the seeds, Holm-corrected p < {SIGNIFICANT}."
    )
    return " ".join([sentences, *comparison.notes])


def cell_text(cell: Cell) -> str:
    """Mean and spread in percent."""
    spread = "" if cell.std is None else f" ±{100 * cell.std:.2f}"
    return f"{100 * cell.mean:.2f}{spread}"


def _markdown(cell: Cell) -> str:
    shown = f"**{cell_text(cell)}**" if cell.best else cell_text(cell)
    return shown + star(cell).replace("*", "\\*")


def star(cell: Cell) -> str:
    """The mark of a significant difference from the reference."""
    return "*" if cell.p_value is not None and cell.p_value < SIGNIFICANT else ""
