"""The four-convolution network of the GPPE paper's CIFAR and pulsar experiments."""

from __future__ import annotations

from torch import Tensor, nn

from tailwise.models.layers import PoolReLU

SMALLEST_SIDE = 4


class CNN(nn.Module):
    """Two pairs of 3x3 convolutions (128, 128, 256, 256 channels), each pair with 2x2 max pooling; layers 1024 and 512.

    Args:
        image_shape: (H, W, channels) of the images.

    Raises:
        ValueError: the images are smaller than 4x4, too small to be pooled twice.
    """

    num_features = 512

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, channels = image_shape
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(f"cnn needs images of at least 4x4, got {height}x{width}; use the mlp")
        self.convolutions = nn.Sequential(*_pair(channels, 128), *_pair(128, 256))
        flat = 256 * (height // 4) * (width // 4)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(flat, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 512) of images (B, channels, H, W)."""
        features: Tensor = self.layers(self.convolutions(images))
        return features


def _pair(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        PoolReLU(),
    ]
