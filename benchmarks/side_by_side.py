"""What the benchmarks share: contenders that take turns, each turn in a process of its own, and a JSON file with all.

A process of its own, because a library may change how the whole process allocates memory, and the plain code beside it
is to run as it would alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from tailwise.machine import describe_machine

Run = Callable[..., dict[str, float]]


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=repeats, help="turns of each contender")
    options.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, in each process")
    options.add_argument("--out", type=Path, help="a JSON file")
    return options


def take_turns(contenders: Mapping[str, Run], repeats: int, threads: int, **arguments: Any) -> dict[str, Any]:
    """Call each contender ``repeats`` times, by turns, with ``turn`` and ``arguments``; keep what it measured.

    Returns:
        For each contender and each of its measures: all values and their median.
    """
    measured: dict[str, dict[str, list[float]]] = {name: {} for name in contenders}
    for turn in range(repeats):
        for name, run in contenders.items():
            found = _alone(run, threads, {"turn": turn, **arguments})
            shown = ", ".join(f"{measure} {value:.4g}" for measure, value in found.items())
            print(f"turn {turn + 1}: {name}: {shown}", flush=True)
            for measure, value in found.items():
                measured[name].setdefault(measure, []).append(value)
    return {
        name: {measure: {"median": statistics.median(values), "values": values} for measure, values in measures.items()}
        for name, measures in measured.items()
    }


def ratio(result: Mapping[str, Any], measure: str, one: str, other: str) -> float:
    """Median over the turns of the one's measure divided by the other's."""
    pairs = zip(result[one][measure]["values"], result[other][measure]["values"], strict=True)
    return statistics.median(first / second for first, second in pairs)


def write(out: Path | None, result: Mapping[str, Any], device: str = "cpu") -> None:
    """The result with the machine that made it."""
    if out is not None:
        out.write_text(json.dumps({"machine": describe_machine(device), **result}, indent=2) + "\n")


def _alone(run: Run, threads: int, arguments: dict[str, Any]) -> dict[str, float]:
    # Not a multiprocessing.Pool: its processes may not start a DataLoader's workers.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, torch.set_num_threads, (threads,)) as pool:
        return pool.submit(run, **arguments).result()
