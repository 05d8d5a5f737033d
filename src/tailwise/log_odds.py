"""The log-odds of each class against the rest, exact where the softmax saturates."""

from __future__ import annotations

import torch
from torch import Tensor


def log_odds(logits: Tensor) -> Tensor:
    """(N, C): z_c - logsumexp of the others, which ranks as the softmax does, but also where that rounds to 0 or 1.

    The exponentials are rounded to multiples of 2^-36, whose sums are exact in any order up to 2^17 classes: samples
    with the same logits for different classes are ties, not apart by the rounding of a sum.
    """
    largest = logits.topk(2, dim=1).values
    top, second = largest[:, :1], largest[:, 1:]
    relative = logits - top
    shares = (relative.exp() * 2.0**36).round_()
    without_self = ((shares.sum(dim=1, keepdim=True) - shares) / 2.0**36).log_()
    # For the largest logit nothing may be left of that difference: the others' sum starts at the second largest.
    shares = ((logits - second).clamp_max_(0).exp_() * 2.0**36).round_()
    without_top = second - top + (shares.sum(dim=1, keepdim=True) / 2.0**36 - 1).log()
    return relative - torch.where(relative == 0, without_top, without_self)
