"""One of several processes that evaluate together; a file of its own, as processes are started from importable ones."""

from __future__ import annotations

import torch
from torchmetrics import MetricCollection

from metric_cases import METRICS, PROBLEMS

SHARDS = {2: (slice(0, 90), slice(90, 300)), 4: (slice(0, 90), slice(90, 97), slice(97, 200), slice(200, 300))}
BATCHES = (1, 7, 2, 5)


def evaluate(rank: int, processes: int, folder: str) -> None:
    """Metrics of a set of which this rank sees its shard, in batches of its own number; saves what all find."""
    meeting = f"file://{folder}.meeting"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    metrics = MetricCollection({name: build() for name, build in METRICS.items()})
    logits, target = (torch.tensor(values)[SHARDS[processes][rank]] for values in PROBLEMS["balanced"])
    computed = []
    for _ in range(2):  # twice, for what a rank has of its own must survive the sum over ranks
        for batch in torch.arange(len(target)).chunk(BATCHES[rank]):
            metrics.update(logits[batch], target[batch])
        computed.append(metrics.compute())
    torch.save(computed, f"{folder}/{rank}")
    torch.distributed.destroy_process_group()
