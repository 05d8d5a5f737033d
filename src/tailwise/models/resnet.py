"""ResNet-20/32/44/56 for 32x32 images, of width 16: 0.47 M parameters at depth 32 and 100 classes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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


def blocks_per_stage(image_shape: tuple[int, int, int], depth: int) -> int:
    """The n of a depth of 6n + 2.

    Raises:
        ValueError: the depth is not 6n + 2, or the images are too small to be halved twice.
    """
    height, width, _ = image_shape
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth must be 6n + 2, such as 20, 32, 44 or 56, got {depth}")
    if min(height, width) < SMALLEST_SIDE:
        raise ValueError(f"resnet{depth} needs images of at least 4x4, got {height}x{width}; use the mlp")
    return (depth - 2) // 6


def residual_stages(widths: Sequence[int], num_blocks: int, first_stride: int) -> list[BasicBlock]:
    """Stages of ``num_blocks`` blocks each, from ``widths[0]`` channels to each of the further widths in turn.

    The first block of the first stage moves by ``first_stride``, that of each further stage by 2.
    """
    blocks = []
    for stage, (in_channels, out_channels) in enumerate(pairwise(widths)):
        blocks.append(BasicBlock(in_channels, out_channels, 2 if stage else first_stride))
        blocks += [BasicBlock(out_channels, out_channels, stride=1) for _ in range(num_blocks - 1)]
    return blocks


def initialize_convolutions(network: nn.Module) -> None:
    """Draw the weights of every convolution as the original does."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)


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
        num_blocks = blocks_per_stage(image_shape, depth)
        self.stem = nn.Conv2d(image_shape[2], WIDTHS[0], 3, padding=1, bias=False)
        self.stem_norm = NormReLU(WIDTHS[0])
        self.blocks = nn.Sequential(*residual_stages((WIDTHS[0], *WIDTHS), num_blocks, first_stride=1))
        initialize_convolutions(self)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 64) of images (B, channels, H, W)."""
        out: Tensor = self.blocks(self.stem_norm(self.stem(images)))
        return out.mean(dim=(2, 3))
