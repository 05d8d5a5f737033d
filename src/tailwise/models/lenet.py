"""The LeNet-like network of the GPPE paper's MNIST experiments: 61 026 parameters for two classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tailwise.models.layers import FewChannelConv2d, PoolReLU

SMALLEST_SIDE = 12


class LeNet(nn.Module):
    """Two 5x5 convolutions of 6 and 16 channels, each with ReLU and 2x2 max pooling, then layers of 120 and 84 units.

    The first convolution is padded by 2, so that 28x28 images enter the second as 14x14, as in the original LeNet-5.

    Args:
        image_shape: (H, W, channels) of the images.

    Raises:
        ValueError: the images are smaller than 12x12, too small for two 5x5 convolutions with pooling.
    """

    num_features = 84

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, channels = image_shape
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(f"lenet needs images of at least 12x12, got {height}x{width}; use the mlp")
        self.convolutions = nn.Sequential(
            FewChannelConv2d(channels, 6, kernel_size=5, padding=2),
            PoolReLU(),
            FewChannelConv2d(6, 16, kernel_size=5),
            PoolReLU(),
        )
        with torch.no_grad():
            flat = self.convolutions(torch.zeros(1, channels, height, width)).numel()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(flat, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 84) of images (B, channels, H, W)."""
        # Plain in memory: so few channels do not fill the vectors of a processor where they lie together.
        images = images.flatten(1).view(images.shape)
        features: Tensor = self.layers(self.convolutions(images))
        return features
