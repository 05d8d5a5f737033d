"""Backbones of timm: hundreds of networks, pretrained or not."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import nn

PREFIX = "timm/"


def timm_backbone(name: str, image_shape: tuple[int, int, int], pretrained: bool) -> nn.Module:
    """The network that timm calls ``name``, without its classifier: its ``forward`` gives ``num_features`` features.

    Args:
        name: as in ``timm.list_models()``, e.g. "resnet50".
        image_shape: (H, W, channels) of the images; a network whose size is fixed is made for H and W.
        pretrained: load timm's weights, from its cache or the network.

    Raises:
        ValueError: timm is not installed, has no such network, or cannot build it for these images or get its weights.
    """
    if importlib.util.find_spec("timm") is None:
        raise ValueError(f"{PREFIX}{name} needs timm; install it with `pip install 'tailwise[timm]'`")
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:3]
        hint = f"; there are {', '.join(near)}" if near else "; `timm.list_models()` has the names"
        raise ValueError(f"timm has no network named {name!r}{hint}")
    height, width, channels = image_shape
    size: dict[str, Any] = {"img_size": (height, width)} if _has_fixed_size(name) else {}
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels, **size)
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, channels, height, width))
    except (RuntimeError, AssertionError, TypeError, OSError) as error:
        raise ValueError(f"timm cannot build {name} for {height}x{width} images: {error}") from error
    # What timm calls num_features is, for networks with a layer before their classifier, not what comes out of them.
    backbone.num_features = features.shape[1]
    return backbone.train()


def _has_fixed_size(name: str) -> bool:
    import timm

    config = timm.get_pretrained_cfg(name)
    return config is not None and config.fixed_input_size
