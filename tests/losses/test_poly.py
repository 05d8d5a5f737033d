"""Poly loss: which known losses it contains."""

from __future__ import annotations

import pytest
import torch

from loss_cases import problem
from tailwise.losses import CrossEntropyLoss, FocalLoss, PolyLoss


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_without_epsilon_it_is_cross_entropy_or_focal(gamma: float) -> None:
    logits, target = problem()
    known = FocalLoss(gamma) if gamma else CrossEntropyLoss()
    torch.testing.assert_close(PolyLoss(epsilon=0.0, gamma=gamma)(logits, target), known(logits, target))


def test_epsilon_of_minus_one_cancels_the_first_term_of_the_expansion() -> None:
    p = torch.tensor([0.99, 0.999], dtype=torch.float64)
    logits = torch.stack((p.log(), (1 - p).log()), dim=1)
    loss = PolyLoss(epsilon=-1.0, reduction="none")(logits, torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(loss, (1 - p) ** 2 / 2 + (1 - p) ** 3 / 3, rtol=1e-4, atol=0)


def test_epsilon_below_minus_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"epsilon must be at least -1, got -1\.5"):
        PolyLoss(epsilon=-1.5)
