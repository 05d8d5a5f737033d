"""ResNet-10, the network that ImageNet-LT is trained with from scratch."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.models.layers import NormReLU

WIDTHS = (64, 128, 256, 512)
SMALLEST_SIDE = 32


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to their input or, where the shape changes, to a 1x1 one."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm_1 = NormReLU(out_channels)
        self.convolution_2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm_2 = NormReLU(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut.append(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(out_channels))

    def forward(self, images: Tensor) -> Tensor:
        """(B, out_channels, H / stride, W / stride)."""
        residual = self.convolution_2(self.norm_1(self.convolution_1(images)))
        activated: Tensor = self.norm_2(residual, self.shortcut(images))
        return activated


class ResNet10(nn.Module):
    """A 7x7 stem with pooling and four stages of one block each: 5.4 M parameters at 1000 classes, with a linear head.

    Args:
        image_shape: (H, W, channels) of the images.

    Raises:
        ValueError: the images are smaller than 32x32.

    Source: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019; He et al., CVPR 2016.
    """

    num_features = WIDTHS[-1]

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        height, width, channels = image_shape
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(f"resnet10 needs images of at least 32x32, got {height}x{width}; use resnet20 or the cnn")
        self.stem = nn.Conv2d(channels, WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.stem_norm = NormReLU(WIDTHS[0])
        self.blocks = nn.Sequential(
            BasicBlock(WIDTHS[0], WIDTHS[0], stride=1),
            *(BasicBlock(narrow, wide, stride=2) for narrow, wide in pairwise(WIDTHS)),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 512) of images (B, channels, H, W)."""
        out: Tensor = self.blocks(F.max_pool2d(self.stem_norm(self.stem(images)), 3, stride=2, padding=1))
        return out.mean(dim=(2, 3))
