"""RIDE's network: several ResNets that share their stem and first stage, and a router that asks as few as it can."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tailwise.heads import ExpertHeads
from tailwise.hyperparameters import whole_number
from tailwise.models.layers import NormReLU
from tailwise.models.resnet import WIDTHS, blocks_per_stage, initialize_convolutions, residual_stages
from tailwise.routing import ExpertRouter

REDUCED_WIDTHS = (16, 24, 48)


class MultiExpertResNet(nn.Module):
    """A ResNet of width 16 whose second and third stage exist once for each expert.

    Stem and first stage, of 16 channels, are shared. An expert's own stages have 24 and 48 channels, or, not reduced,
    the 32 and 64 of a single network.

    Args:
        image_shape: (H, W, channels) of the images.
        depth: 6n + 2: 20, 32, 44 or 56.
        experts: E, at least 1.
        reduced: three quarters of the channels in the experts' own stages.

    Raises:
        ValueError: the depth is not 6n + 2, the images are too small to be halved twice, or there is no expert.

    Source: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts" (RIDE), ICLR 2021.
    """

    def __init__(self, image_shape: tuple[int, int, int], depth: int, experts: int, reduced: bool = True) -> None:
        super().__init__()
        num_blocks = blocks_per_stage(image_shape, depth)
        shared, *own = REDUCED_WIDTHS if reduced else WIDTHS
        self.num_experts = whole_number("experts", experts, at_least=1)
        self.num_features = own[-1]
        self.stem = nn.Conv2d(image_shape[2], shared, 3, padding=1, bias=False)
        self.stem_norm = NormReLU(shared)
        self.blocks = nn.Sequential(*residual_stages((shared, shared), num_blocks, first_stride=1))
        self.experts = nn.ModuleList(
            nn.Sequential(*residual_stages((shared, *own), num_blocks, first_stride=2)) for _ in range(experts)
        )
        initialize_convolutions(self)

    def shared(self, images: Tensor) -> Tensor:
        """What every expert is given, (B, 16, H, W), of images (B, channels, H, W)."""
        maps: Tensor = self.blocks(self.stem_norm(self.stem(images)))
        return maps

    def expert(self, number: int, shared: Tensor) -> Tensor:
        """Features (B, F) of the expert ``number``, from 0, of what ``shared`` gave."""
        maps: Tensor = self.experts[number](shared)
        return maps.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, E, F) of images (B, channels, H, W)."""
        shared = self.shared(images)
        return torch.stack([self.expert(number, shared) for number in range(self.num_experts)], dim=1)


def routed_logits(
    network: MultiExpertResNet,
    heads: ExpertHeads,
    router: ExpertRouter,
    images: Tensor,
    inference_logits: Callable[[Tensor], Tensor] = torch.Tensor.float,
) -> tuple[Tensor, Tensor]:
    """Predict with as few experts as the router asks for; an expert sees the samples that ask for it alone.

    Args:
        network: trained, in evaluation mode.
        heads: one for each expert.
        router: trained on them.
        images: (B, channels, H, W), standardised.
        inference_logits: what the loss predicts with, of logits (b, C); by default the logits as they are.

    Returns:
        The mean logits (B, C) of the experts that were asked, and how many those were, (B,) int64.
    """
    shared = network.shared(images)

    def expert(number: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        features = network.expert(number, shared if len(rows) == len(shared) else shared[rows])
        return inference_logits(heads.heads[number](features)), features

    return router.ask(expert, torch.arange(len(images), device=images.device))
