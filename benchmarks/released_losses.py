"""Time of GALA's and SGPL's losses beside the loops that were released with them, forward and backward, in turns.

The loops are written afresh to be read, and do what the released code does: a Python loop over the samples of a batch
that works on one row of the logits at a time.

    python benchmarks/released_losses.py --out benchmarks/results/released_losses.json
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from side_by_side import parser, write
from torch import Tensor

from tailwise.bench.timing import in_turns, median_ratio
from tailwise.losses import GALALoss, SGPLLoss


class GALALoop:
    """The margins of each sample by its class, and the gradients gathered class by class."""

    def __init__(self, classes: int) -> None:
        self.theta = torch.zeros(classes)
        self.phi = torch.zeros(classes)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        rows = []
        for row, label in zip(logits, target.tolist(), strict=True):
            margin = (self.theta + 1e-3).log() - (self.phi[label] + 1e-3).log()
            margin[label] = 0
            rows.append(row + margin)
        adjusted = torch.stack(rows)
        with torch.no_grad():
            gradient = (adjusted.softmax(dim=1) - F.one_hot(target, logits.shape[1])).abs() / len(target)
            for row, label in zip(gradient, target.tolist(), strict=True):
                self.theta[label] += row[label]
                self.phi[label] += row.sum() - row[label]
        return F.cross_entropy(adjusted, target)


def sgpl_loop(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """The penalised term of each sample's class, the smoothed terms of the others."""
    coefficients = (counts - counts.min()) / (counts.max() - counts.min())
    smoothing = 0.1 / logits.shape[1]
    total = logits.new_zeros(())
    for row, label in zip(logits, target.tolist(), strict=True):
        strength = coefficients[label]
        log_p = row.log_softmax(dim=0)
        p = log_p[label].exp()
        shifted = (p + 0.05 * strength).clamp(1e-8, 1).log()
        penalised = (1 - p) ** ((6 - 2 * (1 - p)) * strength) * shifted
        total = total - (0.9 + smoothing) * penalised - smoothing * (log_p.sum() - log_p[label])
    return total / len(target)


def contenders(classes: int, counts: Tensor) -> dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]]:
    """The released loop and the library's loss, by name."""
    return {
        "gala": (GALALoop(classes), GALALoss(classes)),
        "sgpl": (lambda logits, target: sgpl_loop(logits, target, counts), SGPLLoss(counts)),
    }


def measure(batch: int, classes: int, repeats: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, classes, generator=generator).requires_grad_()
    target = torch.randint(classes, (batch,), generator=generator)
    counts = torch.linspace(500, 5, classes).long()

    def step(loss: Callable[..., Tensor]) -> Callable[[], None]:
        def run() -> None:
            logits.grad = None
            loss(logits, target).backward()

        return run

    found: dict[str, Any] = {}
    for name, (loop, loss) in contenders(classes, counts).items():
        runs = {"released loop": step(loop), "tailwise": step(loss), "cross entropy": step(F.cross_entropy)}
        seconds = in_turns(runs, repeats, calls=10)
        found[name] = {
            "times_faster": median_ratio(seconds["released loop"], seconds["tailwise"]),
            "loop_of_cross_entropy": median_ratio(seconds["released loop"], seconds["cross entropy"]),
            "of_cross_entropy": median_ratio(seconds["tailwise"], seconds["cross entropy"]),
        }
        shown = found[name]
        print(
            f"{name} at {batch} x {classes}: {shown['times_faster']:.1f} times as fast as the loop; of cross entropy's "
            f"time {shown['of_cross_entropy']:.2f}, the loop {shown['loop_of_cross_entropy']:.1f}"
        )
    return found


def main(given: list[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, repeats=25)
    options.add_argument("--batch", type=int, default=128)
    options.add_argument("--classes", type=int, default=100)
    arguments = options.parse_args(given)
    torch.set_num_threads(arguments.threads)
    size = {"batch": arguments.batch, "classes": arguments.classes}
    result = {**size, "repeats": arguments.repeats, "losses": measure(**size, repeats=arguments.repeats)}
    write(arguments.out, result)
    return result


if __name__ == "__main__":
    main()
