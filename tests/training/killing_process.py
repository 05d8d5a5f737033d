"""Trains one recipe again and again from a warm process, kills each attempt at a random moment, and compares the ends.

    python killing_process.py FOLDER KILLS

Every other kill comes after a random time, the others just before a random file of the run directory is opened for
writing or takes its name. The last line printed is a report in JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from recipe_trees import quick_recipe
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train

SEED = 7
MOST_WRITES = 24
EPOCHS = 7


def demanding_recipe() -> Recipe:
    """Two stages with all that resuming could get wrong: losses with a state, draws, mixing, augmentation."""
    return quick_recipe(
        "gala",
        0,
        "training.epochs=4",
        "data.augmentation=[{name: crop, padding: 1}, {name: cutout, length: 3}]",
        "data.validation_fraction=0.2",
        "sampling.name=class-balanced",
        "mixing={name: mixup, alpha: 0.2}",
        "class_weights={name: phased, start: 0, end: 3}",
        "stage2={name: crt, epochs: 3, loss: {name: gala}, sampling: {name: phased, start: 0, end: 2}}",
    )


def attempt(out: Path, writes: int | None) -> None:
    """Train in this process to the end, or until so many files have been written, where the process kills itself."""
    seen = 0

    def before(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        writing = event == "os.rename" or (event == "open" and isinstance(given[1], str) and given[1][0] in "wa")
        if writing and str(given[0]).startswith(str(out)):
            seen += 1
            if seen == writes:
                os.kill(os.getpid(), signal.SIGKILL)

    if writes is not None:
        sys.addaudithook(before)
    train(demanding_recipe(), out, RunOptions(threads=1, device="cpu", resume=True))


def forked(out: Path, writes: int | None, seconds: float | None) -> bool:
    """Whether an attempt came to its end; it is killed after some seconds, or before the write of that number."""
    child = os.fork()
    if not child:
        try:
            attempt(out, writes)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"an attempt in {out} failed")
    return os.WIFEXITED(status)


def saved_epochs(out: Path) -> int:
    """How many the checkpoint has."""
    checkpoint = out / "state/last.safetensors"
    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        epochs: int = dict(json.loads(file.metadata()["tree"])["pairs"])["epoch"]
    return epochs


def recorded_epochs(out: Path) -> int:
    """How many there are lines of."""
    record = out / "metrics.jsonl"
    return len(record.read_text().splitlines()) if record.exists() else 0


def assert_same(out: Path, whole: Path) -> None:
    """To the bit; of the record all but the seconds."""
    for file in ("weights.safetensors", "predictions.npz", "indices.npz", "config.yaml"):
        assert (out / file).read_bytes() == (whole / file).read_bytes(), f"{out / file} differs"
    first, second = (
        [{**json.loads(line), "seconds": 0} for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (out, whole)
    )
    assert first == second
    assert len(first) == EPOCHS
    first, second = (json.loads((run / "summary.json").read_text())["metrics"] for run in (out, whole))
    assert first == second
    assert not list(out.rglob(".*.partial"))


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    chance = random.Random(SEED)
    began = time.perf_counter()
    forked(folder / "whole", None, None)
    duration = time.perf_counter() - began
    done = {True: 0, False: 0}
    runs = lost = 0
    while sum(done.values()) < kills:
        runs += 1
        out = folder / f"run-{runs}"
        saved = 0
        finished = False
        while not finished:
            writing = bool(sum(done.values()) % 2)
            more = sum(done.values()) < kills
            writes = chance.randint(1, MOST_WRITES) if writing and more else None
            finished = forked(out, writes, chance.uniform(0, duration) if more and not writing else None)
            if not finished:
                done[writing] += 1
            before, saved = saved, saved_epochs(out)
            assert saved >= before, "an older checkpoint is back"
            lost = max(lost, recorded_epochs(out) - saved)
        assert_same(out, folder / "whole")
    report = {"kills": sum(done.values()), "while writing": done[True], "runs": runs, "most epochs lost": lost}
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
