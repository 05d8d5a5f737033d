"""One of two processes that train GALA together; a file of its own, for a process is started from an importable one."""

from __future__ import annotations

import os

import torch

from loss_cases import problem
from tailwise.losses import GALALoss


def train_gala(rank: int, port: int, file: str) -> None:
    """Four global batches, of which this rank sees its share; rank 1 saves its state."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    loss = GALALoss(num_classes=5)
    for seed in range(4):
        logits, target = problem(seed=seed)
        mine = slice(0, 7) if rank == 0 else slice(7, 12)  # unequal shares
        loss(logits[mine], target[mine])
    if rank == 1:
        torch.save(loss.state_dict(), file)
    torch.distributed.destroy_process_group()
