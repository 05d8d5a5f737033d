"""Predict the classes of new files with a trained run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tailwise.cli.options import Costs, Device, Posthoc, Run, Tau, TestPrior, ThresholdMetric, parse_correction
from tailwise.terminal import VisibleStream, echo

EXAMPLE = "Example: tailwise predict runs/photos/ce/seed-0 new-photos/ --top 3 --out predictions.csv"
SHOWN = 20
"""Predictions that are shown as a table; more are lines of CSV."""


def run(
    run_path: Run,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            help="Image files, or tables (.csv, .parquet, .npz) with the columns of training; or folders of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A file, .csv, .parquet, .json or .jsonl; - for lines of CSV. By default a table on the terminal, "
            f"lines of CSV for more than {SHOWN} samples.",
            show_default=False,
        ),
    ] = None,
    posthoc: Posthoc = None,
    tau: Tau = None,
    test_prior: TestPrior = None,
    metric: ThresholdMetric = None,
    costs: Costs = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="The predicted class and the next K - 1.")] = 1,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Those of every class, in columns.")] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at a time.")] = 256,
    device: Device = "auto",
) -> None:
    from tailwise.cli.display import console, file_progress, prediction_table
    from tailwise.prediction.output import Row, RowForm, check_output_path, csv_writer, prediction_file
    from tailwise.prediction.predictor import load

    file = None if out is None or str(out) == "-" else out
    if file is not None:
        check_output_path(file)
    arguments = parse_correction(posthoc, tau, test_prior, metric, costs)
    predictor = load(run_path, posthoc, device=device, **arguments)
    found = predictor.reader.files(files)
    form = RowForm(predictor.class_names, any(map(predictor.reader.has_rows, found)), top, probabilities)
    few: list[Row] = []
    with file_progress("predict", len(found), shown=file is not None or not sys.stdout.isatty()) as progress:
        predicted = predictor.stream(found, batch_size, progress.refuse, progress.finish)
        batches = (progress.counted([form.row(prediction) for prediction in batch]) for batch in predicted)
        if file is not None:
            with prediction_file(file, form.columns) as write:
                for rows in batches:
                    write(rows)
        else:
            for rows in batches:
                few += rows
                if out is not None or len(few) > SHOWN:
                    write = csv_writer(VisibleStream(sys.stdout), form.columns)
                    write(few)
                    few = []
                    for further in batches:
                        write(further)
    if few:
        console().print(prediction_table(few, form.columns))
    for note in predictor.notes if progress.predicted else ():
        echo(note, err=not few and file is None)
    if file is not None:
        echo(f"{file}")
    if progress.refused:
        which = "1 file or row" if progress.refused == 1 else f"{progress.refused} files or rows"
        left_out = "is left out" if progress.refused == 1 else "are left out"
        echo(f"tailwise: {which} could not be read and {left_out}", err=True)
        raise typer.Exit(1)
