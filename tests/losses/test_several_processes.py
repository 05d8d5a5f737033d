"""Losses with a state gather on several processes what one gathers from the batches of all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from state_process import DTYPES, losses_with_state, train, train_share
from tailwise.losses import LOSSES


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_gather_what_one_gathers_from_the_global_batch(processes: int, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(train_share, (processes, str(tmp_path / "states")), nprocs=processes)
    together = iter(torch.load(tmp_path / "states", weights_only=True))
    for dtype in DTYPES:
        losses = losses_with_state()
        train(losses, dtype, slice(None))
        for loss in losses:
            state = next(together)
            for name in loss.gathered:
                if (single := getattr(loss, name)) is not None:
                    assert single.abs().sum() > 0
                    torch.testing.assert_close(
                        state[name], single, rtol=1e-6 if dtype is torch.float32 else 1e-12, atol=0
                    )


def test_every_loss_with_a_state_is_among_them() -> None:
    assert {type(loss) for loss in losses_with_state()} == {spec.cls for spec in LOSSES.values() if spec.cls.gathered}
