"""What several processes draw; a file of its own, for a process is started from an importable one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from tailwise.sampling import ClassBalancedBatchSampler, RebalancedSampler, RepeatFactorSampler

TARGETS = np.repeat([0, 1, 2], [300, 30, 3])
EPOCHS = 3


def samplers() -> dict[str, Any]:
    return {
        "rebalanced": RebalancedSampler(TARGETS, seed=4, num_samples=334),
        "repeat-factor": RepeatFactorSampler(TARGETS, 0.3, seed=4),
        "batches": ClassBalancedBatchSampler(TARGETS, 2, 5, seed=4),
    }


def draw_on_processes(fabric: Fabric, made_before: dict[str, Any], folder: Path) -> None:
    """Every sampler's epochs: as they are, and through loaders that Fabric set up and nobody told the epoch."""
    drawn = {
        "made before the process group": {name: epochs_of(sampler) for name, sampler in made_before.items()},
        "made after": {name: epochs_of(sampler) for name, sampler in samplers().items()},
    }
    loaded: dict[str, Any] = {}
    for name, sampler in made_before.items():
        if name == "batches":
            loader = DataLoader(torch.arange(len(TARGETS)), batch_sampler=sampler)  # type: ignore[arg-type]
            try:
                fabric.setup_dataloaders(loader)
            except TypeError as error:
                drawn["refusal"] = str(error)  # type: ignore[assignment]
            loader = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
            loaded[name] = [[batch.tolist() for batch in loader] for _ in range(EPOCHS)]
        else:
            loader = DataLoader(torch.arange(len(TARGETS)), batch_size=16, sampler=sampler)  # type: ignore[arg-type]
            loader = fabric.setup_dataloaders(loader)
            loaded[name] = [torch.cat(list(loader)).tolist() for _ in range(EPOCHS)]
    (folder / f"{fabric.global_rank}.json").write_text(json.dumps(drawn | {"loaded with Fabric": loaded}))


def epochs_of(sampler: Any) -> list[Any]:
    drawn = []
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        drawn.append(list(sampler))
        assert len(drawn[-1]) == len(sampler)
    return drawn
