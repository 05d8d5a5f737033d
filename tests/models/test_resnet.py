"""ResNet of width 16: its size, its shortcuts, its features."""

from __future__ import annotations

import pytest
import torch

from tailwise.models.classifier import build_classifier
from tailwise.models.resnet import BasicBlock, ResNet


@pytest.mark.parametrize(
    ("depth", "classes", "parameters"),
    # The original's table 6 gives 0.27, 0.46, 0.66 and 0.85 M for ten classes.
    [(20, 10, 269_722), (32, 10, 464_154), (44, 10, 658_586), (56, 10, 853_018), (32, 100, 470_004)],
)
def test_number_of_parameters_is_that_of_the_original(depth: int, classes: int, parameters: int) -> None:
    images = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    assert build_classifier(images, classes, f"resnet{depth}").num_parameters == parameters


def test_shortcut_takes_every_second_pixel_and_pads_channels_with_zeros() -> None:
    block = BasicBlock(2, 4, stride=2)
    torch.nn.init.zeros_(block.norm_2.weight)  # nothing but the shortcut is left
    images = torch.rand(3, 2, 6, 6)
    out = block(images)
    assert torch.equal(out[:, 1:3], images[:, :, ::2, ::2])
    assert (out[:, [0, 3]] == 0).all()


def test_stages_halve_the_image_twice() -> None:
    network = ResNet((32, 32, 3), 20)
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 64)
    assert shapes == [(16, 32, 32)] * 3 + [(32, 16, 16)] * 3 + [(64, 8, 8)] * 3


def test_depth_that_is_not_6n_plus_2_is_refused() -> None:
    with pytest.raises(ValueError, match="depth must be 6n \\+ 2, such as 20, 32, 44 or 56, got 34"):
        ResNet((32, 32, 3), 34)
