"""The samplers in loaders and on two processes, alone and under Lightning."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader

from sampler_processes import EPOCHS, TARGETS, draw_on_processes, samplers
from tailwise.sampling import RebalancedSampler

NAMES = list(samplers())


@pytest.fixture(scope="module", params=[2, 4])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of several processes drew."""
    folder = tmp_path_factory.mktemp("drawn")
    Fabric(accelerator="cpu", devices=request.param, strategy="ddp_spawn").launch(draw_on_processes, samplers(), folder)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(request.param)]


def alone(name: str, epoch: int) -> list[Any]:
    """What one process draws."""
    sampler = samplers()[name]
    sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["made before the process group", "made after", "loaded with Fabric"])
def test_processes_share_the_draw_of_one(drawn: list[dict[str, Any]], name: str, way: str) -> None:
    for epoch in range(EPOCHS):
        shares = [process[way][name][epoch] for process in drawn]
        together = [draw for turn in zip(*shares, strict=True) for draw in turn]
        whole = alone(name, epoch)
        assert together[: len(whole)] == whole
        assert len(together) - len(whole) < len(drawn)
    assert alone(name, 0) != alone(name, 1)


def test_lightning_refuses_to_shard_batches_a_second_time(drawn: list[dict[str, Any]]) -> None:
    for process in drawn:
        assert "use_distributed_sampler=False" in process["refusal"]


def test_process_group_gives_rank_and_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = RebalancedSampler([0, 1] * 10)
    assert (sampler.num_replicas, sampler.rank, len(sampler)) == (1, 0, 20)
    for name, value in (("is_initialized", True), ("get_world_size", 4), ("get_rank", 3)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    assert (sampler.num_replicas, sampler.rank, len(sampler)) == (4, 3, 5)


def test_rank_outside_the_process_group_is_named_when_it_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = RebalancedSampler([0, 1] * 10, num_replicas=2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 3)
    with pytest.raises(ValueError, match="rank must lie from 0 to num_replicas - 1, got 3 of 2"):
        next(iter(sampler))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_data_loader_takes_it(name: str, workers: int) -> None:
    sampler = samplers()[name]
    how = {"batch_sampler": sampler} if name == "batches" else {"sampler": sampler, "batch_size": 32}
    loader = DataLoader(torch.arange(len(TARGETS)), num_workers=workers, **how)  # type: ignore[arg-type]
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader)
        if name != "batches":
            assert {len(batch) for batch in batches[:-1]} == {32}
        np.testing.assert_array_equal(torch.cat(batches), np.ravel(alone(name, epoch)))
