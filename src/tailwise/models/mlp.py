"""A multi-layer perceptron for tables, and for images too small to convolve."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Fully connected layers with ReLU.

    Args:
        input_shape: shape of one sample, (F,) or (H, W, channels).
        widths: units of each hidden layer, at least one.

    Raises:
        ValueError: a width is not positive, or there is none.
    """

    def __init__(self, input_shape: Sequence[int], widths: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"widths must be positive numbers of units, got {list(widths)}")
        sizes = [math.prod(input_shape), *widths]
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.num_features = sizes[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (B, widths[-1]) of inputs (B, ...)."""
        features: Tensor = self.layers(inputs)
        return features
