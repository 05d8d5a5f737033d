"""Optimisers by name, and the learning rate of each epoch."""

from __future__ import annotations

import math

import torch
from torch.optim.optimizer import ParamsT

from tailwise.recipes.optimizer_config import LearningRateConfig, Optimizer


def build_optimizer(config: Optimizer, parameters: ParamsT, device: str, fused: bool = True) -> torch.optim.Optimizer:
    """The optimiser of a recipe, fused where the device has a fused one and it may be."""
    fused = fused and device in ("cpu", "cuda")
    if config.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=config.nesterov,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    optimizer = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return optimizer(parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=fused)


def learning_rate_factor(config: LearningRateConfig, epoch: int, epochs: int) -> float:
    """What the base learning rate is multiplied by in ``epoch`` (from 0) of ``epochs``.

    Warm-up rises linearly over its epochs, (epoch + 1) / warmup_epochs. After it: constant; cosine from 1 towards 0;
    step, ``gamma`` to the number of milestones reached; or the staircase of SGPL, 1 for ``start`` epochs and then

        0.1 * floor((epochs - e) / 10) + 0.1,   e counted from 1

    The paper does not say where e begins; so counted, the stairs are ten epochs long and the last is whole. With more
    than 100 epochs after ``start`` the first stairs lie above 1, as published (1.2 for SVHN's 200 epochs from 80 on).
    """
    if epoch < config.warmup_epochs:
        return (epoch + 1) / config.warmup_epochs
    if config.name == "cosine":
        progress = (epoch - config.warmup_epochs) / max(epochs - config.warmup_epochs, 1)
        return (1 + math.cos(math.pi * progress)) / 2
    if config.name == "step":
        return float(config.gamma ** sum(epoch >= milestone for milestone in config.milestones))
    if config.start is not None and epoch >= config.start:
        return (1 + (epochs - epoch - 1) // 10) / 10
    return 1.0
