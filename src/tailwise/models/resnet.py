"""ResNet-20/32/44/56 for 32x32 images, of width 16: 0.47 M parameters at depth 32 and 100 classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.models.layers import NormReLU

WIDTHS = (16, 32, 64)
SMALLEST_SIDE = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to their input.

    Where the block halves the image and doubles the channels, the shortcut takes every second pixel and fills the new
    channels with zeros, without parameters, as in the original (its option A).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = out_channels - in_channels
        self.convolution_1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm_1 = NormReLU(out_channels)
        self.convolution_2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm_2 = NormReLU(out_channels)

    def forward(self, images: Tensor) -> Tensor:
        """(B, out_channels, H / stride, W / stride)."""
        residual = self.convolution_2(self.norm_1(self.convolution_1(images)))
        shortcut = images
        if self.stride > 1 or self.new_channels:
            before = self.new_channels // 2
            shortcut = F.pad(
                images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.new_channels - before)
            )
        activated: Tensor = self.norm_2(residual, shortcut)
        return activated


class ResNet(nn.Module):
    """A stem of 16 channels, three stages of 16, 32 and 64 channels with n blocks each, global average pooling.

    Args:
        image_shape: (H, W, channels) of the images.
        depth: 6n + 2: 20, 32, 44 or 56.

    Raises:
        ValueError: the depth is not 6n + 2, or the images are too small to be halved twice.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
    """

    num_features = WIDTHS[-1]

    def __init__(self, image_shape: tuple[int, int, int], depth: int) -> None:
        super().__init__()
        height, width, channels = image_shape
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(f"depth must be 6n + 2, such as 20, 32, 44 or 56, got {depth}")
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(f"resnet{depth} needs images of at least 4x4, got {height}x{width}; use the mlp")
        self.stem = nn.Conv2d(channels, WIDTHS[0], 3, padding=1, bias=False)
        self.stem_norm = NormReLU(WIDTHS[0])
        blocks: list[nn.Module] = []
        in_channels = WIDTHS[0]
        for stage, out_channels in enumerate(WIDTHS):
            for index in range((depth - 2) // 6):
                blocks.append(BasicBlock(in_channels, out_channels, stride=2 if stage and index == 0 else 1))
                in_channels = out_channels
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 64) of images (B, channels, H, W)."""
        out: Tensor = self.blocks(self.stem_norm(self.stem(images)))
        return out.mean(dim=(2, 3))
