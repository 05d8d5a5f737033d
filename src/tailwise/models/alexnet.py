"""An AlexNet for small images, that of the Caltech-101 experiments at 65x65."""

from __future__ import annotations

from torch import Tensor, nn

SMALLEST_SIDE = 35
SIDE = 2


class AlexNet(nn.Module):
    """AlexNet whose first convolution moves by two pixels instead of four; images of 65x65 end as maps of 2x2.

    Five convolutions (64, 192, 384, 256, 256 channels), three 3x3 poolings, two layers of 4096 with dropout. The GPPE
    and SGPL papers say "AlexNet-like" and no more; the channels are those of Krizhevsky's one-column form. Larger
    images are averaged down to the 2x2 maps.

    Args:
        image_shape: (H, W, channels) of the images.

    Raises:
        ValueError: the images are smaller than 35x35.

    Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
    """

    num_features = 4096

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, channels = image_shape
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(f"alexnet needs images of at least 35x35, got {height}x{width}; use the cnn")
        self.convolutions = nn.Sequential(
            *_convolution(channels, 64, kernel_size=11, stride=2, padding=2),
            nn.MaxPool2d(3, stride=2),
            *_convolution(64, 192, kernel_size=5, padding=2),
            nn.MaxPool2d(3, stride=2),
            *_convolution(192, 384, kernel_size=3, padding=1),
            *_convolution(384, 256, kernel_size=3, padding=1),
            *_convolution(256, 256, kernel_size=3, padding=1),
            nn.MaxPool2d(3, stride=2),
            nn.AdaptiveAvgPool2d(SIDE),
        )
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(256 * SIDE * SIDE, self.num_features),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(self.num_features, self.num_features),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 4096) of images (B, channels, H, W)."""
        features: Tensor = self.layers(self.convolutions(images))
        return features


def _convolution(
    in_channels: int, out_channels: int, kernel_size: int, padding: int, stride: int = 1
) -> list[nn.Module]:
    return [nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding), nn.ReLU(inplace=True)]
