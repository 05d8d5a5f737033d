"""Log-odds against exact arithmetic, also where the softmax saturates."""

from __future__ import annotations

import math

import pytest
import torch

from tailwise.log_odds import log_odds


def test_log_odds_are_those_of_the_softmax() -> None:
    logits = torch.randn(50, 5, dtype=torch.float64)
    p = logits.softmax(dim=1)
    torch.testing.assert_close(log_odds(logits), p.log() - (1 - p).log(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("margin", [40.0, 1000.0])
def test_saturated_probabilities_keep_their_log_odds(margin: float) -> None:
    found = log_odds(torch.tensor([[margin, 0.0, 0.0]], dtype=torch.float64))
    expected = torch.tensor([[margin - math.log(2), -margin, -margin]], dtype=torch.float64)
    torch.testing.assert_close(found, expected)
