"""See what is in a data set, how imbalanced it is, what to try and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import DataRoot, Settings

EXAMPLE = "Example: tailwise inspect photos --set data.source.image_size=64 --out photos.html"


def run(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder of images, a .csv, .parquet or .npz file, a .txt list of images, or the name of a data set "
            "or recipe."
        ),
    ],
    settings: Settings = None,
    data_root: DataRoot = None,
    labels_only: Annotated[
        bool, typer.Option("--labels-only", help="Count classes alone: read no sample, seek no duplicates.")
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(help="Where the advised recipe goes; by default DATA.yaml here.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="An HTML page of the same.", show_default=False)] = None,
) -> None:
    from tailwise.cli.display import console, sample_progress
    from tailwise.inspection.findings import inspect
    from tailwise.inspection.page import write_page
    from tailwise.inspection.summary import summarize
    from tailwise.inspection.target import data_config
    from tailwise.report.html import check_page_path

    if out is not None:
        check_page_path(out, "page")
    config = data_config(data, settings or (), data_root)
    if labels_only:
        found = inspect(data, config, data_root, read_samples=False)
    else:
        with sample_progress(f"reading {data}") as on_progress:
            found = inspect(data, config, data_root, on_progress=on_progress)
    known = os.environ.get("TAILWISE_DATA") == str(data_root)
    summary = summarize(found, settings or (), recipe, None if known else data_root)
    console().print(summary.text(), soft_wrap=True)
    if out is not None:
        write_page(summary, out)
        console().print(f"Page: {out}", soft_wrap=True)
    summary.write_recipe()
    if summary.recipe is not None:
        console().print(f"Wrote {summary.recipe}, a recipe for it and for what to compare it with.", soft_wrap=True)
    console().print(summary.next_steps(), soft_wrap=True)
