"""Time and peak memory of a classifier's loss and gradients at very many classes, with and without (B, C) logits.

"plain" is a linear layer and the loss of its logits, "chunked" is linear_loss, "triton" its kernels on a GPU. Each is
measured in processes of its own, in turns: the peak, above what is held before, in a first step, the time in a second.

    python benchmarks/linear_loss.py --out benchmarks/results/linear_loss.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F
from side_by_side import parser, write

from tailwise.losses import build_loss, linear_loss

WAYS = ("plain", "chunked", "triton")


def step(way: str, batch: int, classes: int, given: argparse.Namespace) -> tuple[int, float]:
    """Peak memory in bytes above what is held before, and seconds, of one loss and its gradients."""
    source = torch.Generator().manual_seed(0)
    device = torch.device(given.device)
    loss = build_loss(given.loss, torch.randint(1, 500, (classes,), generator=source)).to(device)
    features = torch.randn(batch, given.features, generator=source).to(device).requires_grad_()
    weight = torch.randn(classes, given.features, generator=source).mul_(0.1).to(device).requires_grad_()
    target = torch.randint(classes, (batch,), generator=source).to(device)
    before = held(device)
    began = time.perf_counter()
    if way == "plain":
        value = loss(F.linear(features, weight), target)
    else:
        value = linear_loss(features, weight, target, loss=loss, chunk=given.chunk, backend=way)
    value.backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return held(device) - before, time.perf_counter() - began


def held(device: torch.device) -> int:
    """The most memory that has been held so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(way: str, given: argparse.Namespace) -> dict[str, float]:
    step(way, 8, 16, given)  # what the libraries allocate once
    peak, _ = step(way, given.batch, given.classes, given)
    _, seconds = step(way, given.batch, given.classes, given)
    return {"peak_bytes": peak, "seconds": seconds}


def in_turns(given: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    ways = WAYS if given.device == "cuda" else WAYS[:2]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(given.repeats):
        for way in ways:
            command = [sys.executable, __file__, *sys.argv[1:], "--only", way]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[way].append(json.loads(done.stdout))
    return found


def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--batch", type=int, default=4096)
    options.add_argument("--classes", type=int, default=100_000)
    options.add_argument("--features", type=int, default=64)
    options.add_argument("--loss", default="balanced_softmax")
    options.add_argument("--chunk", type=int)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--only", choices=WAYS, help="measure this one, in this process, and print it as JSON")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    if given.only:
        print(json.dumps(measure(given.only, given)))
        return
    found = in_turns(given)
    medians = {
        way: {name: statistics.median(run[name] for run in runs) for name in ("peak_bytes", "seconds")}
        for way, runs in found.items()
    }
    ratios = {way: {name: value / medians["plain"][name] for name, value in of.items()} for way, of in medians.items()}
    print(f"{given.loss}, {given.batch} x {given.classes}, {given.features} features, {given.device}")
    for way, of in medians.items():
        print(
            f"{way:8} {of['peak_bytes'] / 2**20:8.1f} MiB ({ratios[way]['peak_bytes']:.3f} of plain)"
            f" {of['seconds']:8.3f} s ({ratios[way]['seconds']:.2f} of plain)"
        )
    result = {
        "setting": {name: getattr(given, name) for name in ("batch", "classes", "features", "loss", "chunk", "device")},
        "medians": medians,
        "of_plain": ratios,
        "runs": found,
        "load": os.getloadavg(),
    }
    write(given.out, result, given.device)


if __name__ == "__main__":
    main()
