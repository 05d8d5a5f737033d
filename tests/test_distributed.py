"""Whose rows of a batch are whose, and what tells a process that it is the first."""

from __future__ import annotations

import pytest

from tailwise.distributed import Share, is_first_process


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 64])
def test_every_row_is_of_one_process_and_none_has_two_more_than_another(count: int, processes: int) -> None:
    rows = [row for rank in range(processes) for row in range(count)[Share(rank, processes).rows(count)]]
    assert rows == list(range(count))
    sizes = Share(0, processes).sizes(count)
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "3"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_first_process_is_told_by_its_launcher(
    told: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first
