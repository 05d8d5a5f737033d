"""Batches that show what they were mixed from, and generators that draw what a test wants."""

from __future__ import annotations

import numpy as np
import torch


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def batch(samples: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs that are one-hot in the sample, so that a mixed one shows its two parts and their shares."""
    return torch.eye(samples), torch.arange(samples) % 3


def parts(mixed: torch.Tensor, row: int) -> dict[int, float]:
    return {int(column): float(mixed[row, column]) for column in mixed[row].nonzero().flatten()}


def coloured(samples: int = 6, height: int = 8, width: int = 12, first: int = 0) -> torch.Tensor:
    """(B, 3, height, width) uint8 images of one colour each, sample i of colour ``first`` + i."""
    colours = torch.arange(first, first + samples, dtype=torch.uint8)
    return colours[:, None, None, None].expand(samples, 3, height, width).clone()


def seen(images: torch.Tensor, colours: int) -> torch.Tensor:
    """(B, colours) share of the pixels of each image that have a colour."""
    return torch.stack([(images == colour).flatten(1).float().mean(dim=1) for colour in range(colours)], dim=1)


class Told(np.random.Generator):
    """Draws one lam and boxes about one pixel, and pairs the first sample with the last."""

    def __init__(self, lam: float, row: int, column: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.lam = lam
        self.centre = iter((row, column))

    def beta(self, a: float, b: float, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, self.lam)

    def permutation(self, count: int) -> np.ndarray:  # type: ignore[override]
        return np.arange(count)[::-1].copy()

    def integers(self, high: int, size: int) -> np.ndarray:  # type: ignore[override]
        return np.full(size, next(self.centre))
