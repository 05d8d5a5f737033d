"""Schedules: what an epoch gets."""

from __future__ import annotations

import pytest
import torch

from tailwise.schedules import DeferredReweighting
from tailwise.weights import effective_number_weights


def test_deferred_reweighting_is_uniform_before_start_and_effective_number_from_it() -> None:
    schedule = DeferredReweighting([500, 50, 5], start=160, beta=0.99)
    for epoch in (0, 159):
        assert torch.equal(schedule(epoch), torch.ones(3, dtype=torch.float64))
    for epoch in (160, 199):
        assert torch.equal(schedule(epoch), effective_number_weights([500, 50, 5], 0.99))


def test_negative_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start must be an epoch from 0 up, got -1"):
        DeferredReweighting([2, 1], start=-1)
