"""One of several processes that train losses with a state together; started from a file that can be imported."""

from __future__ import annotations

import torch

from loss_cases import problem
from tailwise.losses import ClassificationLoss, EqualizedFocalLoss, GALALoss, SeesawLoss

DTYPES = torch.float32, torch.float64
"""The first goes by the compiled loop, the second by tensor operations."""
SHARES = {2: (slice(0, 7), slice(7, 12)), 4: (slice(0, 6), slice(6, 7), slice(7, 9), slice(9, 12))}


def losses_with_state() -> list[ClassificationLoss]:
    return [GALALoss(5), SeesawLoss(5), EqualizedFocalLoss(5)]


def train(losses: list[ClassificationLoss], dtype: torch.dtype, share: slice) -> None:
    """Four global batches, of which only a share is seen here."""
    for seed in range(4):
        logits, target = problem(seed=seed)
        for loss in losses:
            loss(logits[share].to(dtype), target[share])


def train_share(rank: int, processes: int, file: str) -> None:
    """Unequal shares; the last rank saves the states."""
    meeting = f"file://{file}.meeting"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    states = []
    for dtype in DTYPES:
        losses = losses_with_state()
        train(losses, dtype, SHARES[processes][rank])
        states += [loss.state_dict() for loss in losses]
    if rank == processes - 1:
        torch.save(states, file)
    torch.distributed.destroy_process_group()
