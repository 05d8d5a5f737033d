"""Tau-normalisation of logits, by hand and by what it names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tailwise.posthoc import TauNormalization


def test_logits_without_their_bias_are_divided_by_the_lengths_of_the_weights() -> None:
    weight, bias = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]]), torch.tensor([1.0, -1.0, 2.0])
    logits = torch.tensor([[11.0, 3.0, 0.0]])
    torch.testing.assert_close(TauNormalization(weight, bias, 2.0).transform(logits), torch.tensor([[0.4, 1.0, -2.0]]))
    torch.testing.assert_close(TauNormalization(weight, tau=0).transform(logits), logits)


@pytest.mark.parametrize(
    ("weight", "bias", "tau", "message"),
    [
        (torch.ones(3), None, 1.0, r"weight must be \(C, F\) and bias \(C,\), got shapes \(3,\) and None"),
        (torch.ones(3, 2), torch.ones(2), 1.0, r"got shapes \(3, 2\) and \(2,\)"),
        (torch.ones(3, 2), None, -1.0, "tau must be at least 0"),
        (torch.ones(4, 2), None, 1.0, "logits have 3 classes but the head has 4"),
    ],
)
def test_what_does_not_fit_is_named(weight: Any, bias: Any, tau: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TauNormalization(weight, bias, tau).transform(torch.ones(5, 3))
