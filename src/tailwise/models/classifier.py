"""A whole classifier: raw inputs, their normalisation, a backbone and a head in one module."""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor, nn

from tailwise.heads import ExpertHeads, build_head
from tailwise.models.alexnet import AlexNet
from tailwise.models.cnn import CNN
from tailwise.models.lenet import LeNet
from tailwise.models.mlp import MLP
from tailwise.models.resnet import ResNet
from tailwise.models.resnet10 import ResNet10
from tailwise.models.ride import MultiExpertResNet
from tailwise.models.timm_backbone import PREFIX as TIMM
from tailwise.models.timm_backbone import timm_backbone

RESNET_DEPTHS = {"resnet20": 20, "resnet32": 32, "resnet44": 44, "resnet56": 56}
IMAGE_BACKBONES = {"lenet": LeNet, "cnn": CNN, "alexnet": AlexNet, "resnet10": ResNet10}
BACKBONES = (*IMAGE_BACKBONES, *RESNET_DEPTHS, "mlp")


class Standardize(nn.Module):
    """(inputs - mean) / std, per channel of uint8 images (B, H, W, channels) or per feature of tables (B, F).

    Images come out as floating (B, channels, H, W), channels-last in memory. The two constants travel with the weights,
    so that whoever loads a trained classifier feeds it raw data.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", std.float())

    @classmethod
    def fitted(cls, inputs: Tensor) -> Standardize:
        """Mean and standard deviation of training inputs; a constant channel or feature is only centred."""
        dims = tuple(range(inputs.ndim - 1))
        values = inputs.double()
        std = values.std(dim=dims, correction=0)
        return cls(values.mean(dim=dims), std.where(std > 0, 1.0))

    @classmethod
    def to_unit_range(cls, inputs: Tensor) -> Standardize:
        """Images from 0..255 to 0..1; features unchanged."""
        channels = inputs.shape[-1]
        return cls(torch.zeros(channels), torch.full((channels,), 255.0 if inputs.dtype == torch.uint8 else 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardised floating inputs, images channel first."""
        standardized = (inputs.contiguous() - self.mean) / self.std
        return standardized.permute(0, 3, 1, 2) if inputs.ndim == 4 else standardized


class Classifier(nn.Module):
    """Raw inputs -> standardised -> features -> logits; where the head is ``ExpertHeads``, the mean of their logits."""

    def __init__(self, standardize: Standardize, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.standardize = standardize
        self.backbone = backbone
        self.head = head

    def features(self, inputs: Tensor) -> Tensor:
        """(B, F), or (B, E, F) of E experts, of raw inputs (B, H, W, channels) uint8 or (B, F) floating."""
        features: Tensor = self.backbone(self.standardize(inputs))
        return features

    @overload
    def forward(self, inputs: Tensor) -> Tensor: ...
    @overload
    def forward(self, inputs: Tensor, with_features: Literal[True]) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, inputs: Tensor, *, with_experts: Literal[True]) -> tuple[Tensor, Tensor]: ...
    def forward(
        self, inputs: Tensor, with_features: bool = False, *, with_experts: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits (B, C), and with them, for losses that look at both, the features.

        ``with_experts`` gives the logits (B, E, C) and features (B, E, F) of every expert instead.

        Raises:
            ValueError: the experts are asked for where there is one head alone.
        """
        features = self.features(inputs)
        logits: Tensor = self.head(features)
        if isinstance(self.head, ExpertHeads):
            if with_experts:
                return logits, features
            logits = logits.mean(dim=1)
        elif with_experts:
            raise ValueError("the classifier has one head; build it with experts to be given those of each")
        return (logits, features) if with_features else logits

    @property
    def num_parameters(self) -> int:
        """Trainable numbers."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def known_backbone(name: str) -> bool:
    """Whether a recipe may name it; which networks timm has is seen when one is built."""
    return name in BACKBONES or (name.startswith(TIMM) and len(name) > len(TIMM))


def build_backbone(
    name: str,
    input_shape: tuple[int, ...],
    widths: tuple[int, ...] | None = None,
    pretrained: bool = False,
    experts: int | None = None,
    reduced: bool = True,
) -> nn.Module:
    """A backbone for samples of ``input_shape``: (H, W, channels) for images, (F,) for tables.

    Raises:
        ValueError: there is no such backbone, it needs images and the data are a table, or ``widths``, ``pretrained``
            or ``experts`` does not apply.
    """
    if not known_backbone(name):
        raise ValueError(f"no model is named {name!r}; there are {', '.join(BACKBONES)} and {TIMM}NAME")
    if pretrained and not name.startswith(TIMM):
        raise ValueError(f"there are no pretrained weights of {name}; leave pretrained out or take a network of timm")
    if experts is not None and name not in RESNET_DEPTHS:
        raise ValueError(f"{name} has no form with several experts; take {', '.join(RESNET_DEPTHS)}, or no experts")
    if name == "mlp":
        return MLP(input_shape) if widths is None else MLP(input_shape, widths)
    if widths is not None:
        raise ValueError(f"{name} has fixed widths; leave widths out or use the mlp")
    if len(input_shape) != 3:
        raise ValueError(f"{name} needs images, but these samples are tables of {input_shape[0]} features; use the mlp")
    height, width, channels = input_shape
    if name.startswith(TIMM):
        return timm_backbone(name.removeprefix(TIMM), (height, width, channels), pretrained)
    if experts is not None:
        return MultiExpertResNet((height, width, channels), RESNET_DEPTHS[name], experts, reduced)
    if name in RESNET_DEPTHS:
        return ResNet((height, width, channels), RESNET_DEPTHS[name])
    return IMAGE_BACKBONES[name]((height, width, channels))


def build_classifier(
    inputs: Tensor,
    num_classes: int,
    model: str,
    widths: tuple[int, ...] | None = None,
    head: str = "linear",
    scale: float | None = None,
    normalize: bool = True,
    pretrained: bool = False,
    experts: int | None = None,
    reduced: bool = True,
) -> Classifier:
    """A classifier for the training ``inputs``, whose shape it takes and whose mean and std it keeps.

    Args:
        inputs: (N, H, W, channels) uint8 or (N, F) floating training inputs.
        num_classes: C.
        model: name of the backbone.
        widths: hidden layers of an mlp.
        head: "linear" or "cosine".
        scale: factor of a cosine head.
        normalize: standardise by the mean and std of the inputs; otherwise images are only brought to 0..1.
        pretrained: start from timm's weights.
        experts: E of a multi-expert network (``MultiExpertResNet``), each with a head; by default one plain network.
        reduced: with experts, three quarters of the channels in their own stages.
    """
    standardize = Standardize.fitted(inputs) if normalize else Standardize.to_unit_range(inputs)
    backbone = build_backbone(model, tuple(inputs.shape[1:]), widths, pretrained, experts, reduced)
    features = backbone.num_features
    assert isinstance(features, int)
    if experts is None:
        return Classifier(standardize, backbone, build_head(head, features, num_classes, scale))
    heads = ExpertHeads(build_head(head, features, num_classes, scale) for _ in range(experts))
    return Classifier(standardize, backbone, heads)
