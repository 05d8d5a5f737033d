"""Classifier heads."""

from __future__ import annotations

import pytest
import torch

from tailwise.heads import CosineHead, build_head


def test_cosine_head_gives_scaled_cosines() -> None:
    head = CosineHead(4, 3, scale=16.0)
    features = torch.randn(5, 4)
    expected = 16 * torch.nn.functional.cosine_similarity(features.unsqueeze(1), head.weight.unsqueeze(0), dim=2)
    torch.testing.assert_close(head(features), expected)


def test_cosine_head_does_not_see_lengths() -> None:
    head = CosineHead(4, 3)
    features = torch.randn(5, 4)
    expected = head(features)
    with torch.no_grad():
        head.weight *= torch.tensor([[1.0], [10.0], [0.1]])
    torch.testing.assert_close(head(7 * features), expected)


def test_cosine_head_of_a_zero_feature_is_finite() -> None:
    features = torch.zeros(2, 4, requires_grad=True)
    logits = CosineHead(4, 3)(features)
    logits.sum().backward()
    assert (logits == 0).all()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quadratic", 4, 3), 'head must be "linear" or "cosine"'),
        (("linear", 4, 3, 16.0), "a linear head has no scale"),
        (("cosine", 4, 3, 0.0), "scale must be above 0"),
        (("cosine", 4, 3, float("inf")), "scale must be above 0 and a finite number, got inf"),
    ],
)
def test_wrong_heads_are_named(arguments: tuple[str, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_head(*arguments)
