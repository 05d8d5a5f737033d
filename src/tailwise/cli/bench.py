"""Measure the library's speed on this machine: losses against cross entropy, the data pipeline, whole steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tailwise.cli.options import Device, Threads, parse_names

EXAMPLE = "Example: tailwise bench losses steps --threads 1 --out bench.json"
PARTS = ("losses", "pipeline", "steps")


def run(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[losses|pipeline|steps]...", help="What to measure; by default all.", show_default=False
        ),
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Losses separated by commas; by default all.", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns; ratios and times are medians over them.")] = 15,
    out: Annotated[Path | None, typer.Option(help="A JSON file with all figures.", show_default=False)] = None,
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    from tailwise.bench.losses import measure_losses
    from tailwise.bench.training import measure_pipeline, measure_steps
    from tailwise.cli.display import console
    from tailwise.errors import InputError
    from tailwise.losses import find_loss
    from tailwise.machine import describe_machine
    from tailwise.training.device import chosen_device, set_threads
    from tailwise.training.memory import keep_freed_memory

    if unknown := set(parts or ()) - set(PARTS):
        raise InputError(f"bench measures {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    names = parse_names("--loss", loss)
    try:
        names = names and [find_loss(name).name for name in names]
    except ValueError as error:
        raise InputError(f"--loss: {error}") from error
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out is to lie in {out.parent}, which is no folder; make it first")
    where = chosen_device(device)
    set_threads(threads)
    keep_freed_memory()
    machine = describe_machine(where)
    result: dict[str, Any] = {"machine": machine, "repeats": repeats}
    console().print(f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}", soft_wrap=True)
    if not parts or "losses" in parts:
        result["losses"] = measure_losses(names, repeats=repeats, device=where)
        console().print(_losses_table(result["losses"]))
    if not parts or "pipeline" in parts:
        result["pipeline"] = measure_pipeline(repeats, where)
        console().print(_pipeline_table(result["pipeline"]))
    if not parts or "steps" in parts:
        result["steps"] = measure_steps(repeats=repeats, device=where)
        console().print(_steps_table(result["steps"]))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n")


def _losses_table(rows: list[dict[str, Any]]) -> Any:
    from tailwise.cli.display import listing

    sizes = list(dict.fromkeys((row["batch"], row["classes"]) for row in rows))
    headings = [f"{what}, {batch} x {classes}" for batch, classes in sizes for what in ("µs", "time", "memory")]
    table = listing("loss, forward and backward", *headings)
    by_loss: dict[str, list[str]] = {}
    for row in rows:
        cells = (f"{row['microseconds']:,.0f}", f"{row['time_ratio']:.2f}", f"{row['memory_ratio']:.2f}")
        by_loss.setdefault(row["loss"], []).extend(cells)
    for name, cells_of_loss in by_loss.items():
        table.add_row(name, *cells_of_loss)
    table.caption = "time and memory: as multiples of cross entropy"
    return table


def _pipeline_table(rows: list[dict[str, Any]]) -> Any:
    from tailwise.cli.display import listing

    table = listing("loading and augmentation of 128 images", "ms", "images/s")
    for row in rows:
        table.add_row(row["augmentation"], f"{row['milliseconds']:.2f}", f"{row['images_a_second']:,.0f}")
    return table


def _steps_table(rows: list[dict[str, Any]]) -> Any:
    from tailwise.bench.training import PARTS as PARTS_OF_A_STEP
    from tailwise.cli.display import listing

    table = listing("training step", "ms", "images/s", *PARTS_OF_A_STEP, "arithmetic")
    for row in rows:
        shares = (f"{100 * row['shares'][name]:.1f}%" for name in PARTS_OF_A_STEP)
        figures = (f"{row['milliseconds']:.1f}", f"{row['images_a_second']:,.0f}")
        table.add_row(row["setting"], *figures, *shares, f"{100 * row['arithmetic_share']:.0f}%")
    table.caption = "arithmetic: what its products would take at the speed of a large matrix product"
    return table
