"""Time and memory of every loss, forward and backward, in units of ``torch.nn.functional.cross_entropy``."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tailwise.bench.timing import in_turns, median_ratio
from tailwise.losses import LOSSES, build_loss

REFERENCE = "torch.nn.functional.cross_entropy"
MOST_SAMPLES, FEWEST_SAMPLES = 500, 5
LOGITS_A_TURN, MOST_CALLS = 2**19, 50
"""Many calls of a small batch make a turn, few of a large one."""
Function = Callable[[Tensor, Tensor], Tensor]


class Size(NamedTuple):
    """B and C of the logits."""

    batch: int
    classes: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.classes}"


SIZES = {
    "cpu": (Size(128, 100), Size(512, 1000)),
    "cuda": (Size(1024, 1000), Size(1024, 8142)),
}


def measure_losses(
    names: Sequence[str] | None = None,
    sizes: Sequence[Size] | None = None,
    repeats: int = 21,
    device: str = "cpu",
) -> list[dict[str, Any]]:
    """A row per size and loss: median time, and time and peak memory as ratios to cross entropy.

    Args:
        names: losses to measure, by default all.
        sizes: of the logits, by default two usual ones of the device.
        repeats: turns; the ratio is the median over them.
        device: "cpu" or "cuda".
    """
    rows = []
    for size in sizes or SIZES[device]:
        logits, target = _batch(size, device)
        functions: dict[str, Function] = {REFERENCE: F.cross_entropy}
        functions |= {name: _loss(name, size.classes, device) for name in names or LOSSES}
        runs = {name: _step(function, logits, target) for name, function in functions.items()}
        calls = max(1, min(MOST_CALLS, LOGITS_A_TURN // (size.batch * size.classes)))
        seconds = in_turns(runs, repeats, calls, device)
        bytes_used = {name: _peak_bytes(run, device) for name, run in runs.items()}
        rows += [
            {
                "loss": name,
                **size._asdict(),
                "microseconds": 1e6 * statistics.median(seconds[name]),
                "time_ratio": median_ratio(seconds[name], seconds[REFERENCE]),
                "peak_bytes": bytes_used[name],
                "memory_ratio": bytes_used[name] / bytes_used[REFERENCE],
            }
            for name in runs
        ]
    return rows


def _batch(size: Size, device: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(*size, generator=generator).to(device).requires_grad_()
    return logits, torch.randint(size.classes, (size.batch,), generator=generator).to(device)


def _loss(name: str, classes: int, device: str) -> Function:
    counts = torch.linspace(MOST_SAMPLES, FEWEST_SAMPLES, classes).long()
    arguments = {"epochs": 10} if "epochs" in LOSSES[name].arguments else {}
    return build_loss(name, counts, **arguments).to(device)


def _step(function: Function, logits: Tensor, target: Tensor) -> Callable[[], None]:
    def step() -> None:
        logits.grad = None
        function(logits, target).backward()  # type: ignore[no-untyped-call]

    return step


def _peak_bytes(step: Callable[[], None], device: str) -> int:
    """The most that tensors of one step hold at a time, the gradient among them."""
    step()  # what a loss keeps of its constants is made once
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return int(torch.cuda.max_memory_allocated() - before)
    with _HeldBytes() as held:
        step()
    return int(held.peak)


class _HeldBytes(TorchDispatchMode):
    """Adds up what the results of operations hold; tensors that were there before do not count."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._existing: set[int] = set()
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._existing |= {block._cdata for block in _storages((args, kwargs)) if block._cdata not in self._made}
        result = func(*args, **kwargs)
        for block in _storages(result):
            if block._cdata not in self._existing:
                self._made[block._cdata] = (StorageWeakRef(block), block.nbytes())  # type: ignore[no-untyped-call]
        self._made = {key: made for key, made in self._made.items() if not made[0].expired()}  # type: ignore[no-untyped-call]
        self.peak = max(self.peak, sum(size for _, size in self._made.values()))
        return result


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
