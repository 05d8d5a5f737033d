"""Hold a loss to one golden case: its value to 1e-9, its gradient to 1e-8, in float64."""

from __future__ import annotations

from typing import Any

import torch

from tailwise.losses import ClassificationLoss


def assert_matches_golden(loss: ClassificationLoss, case: dict[str, Any]) -> None:
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    value = loss(logits, torch.tensor(case["target"]))
    value.backward()
    assert logits.grad is not None
    assert abs(value.item() - case["loss"]) <= 1e-9
    assert (logits.grad - torch.tensor(case["grad"], dtype=torch.float64)).abs().max() <= 1e-8
