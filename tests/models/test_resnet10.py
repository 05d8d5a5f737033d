"""ResNet-10 for large images."""

from __future__ import annotations

import pytest
import torch

from tailwise.models.classifier import build_classifier
from tailwise.models.resnet10 import ResNet10


def test_number_of_parameters_is_that_of_one_block_a_stage() -> None:
    images = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    # Counted by hand: the stem 9536, blocks of 73 984, 230 144, 919 040 and 3 673 088, the head 513 000.
    expected = 9536 + 73_984 + 230_144 + 919_040 + 3_673_088 + 513_000
    assert build_classifier(images, 1000, "resnet10").num_parameters == expected


def test_stages_halve_the_maps_to_a_thirty_second() -> None:
    network = ResNet10((224, 224, 3))
    shapes = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[1:])))
    assert network(torch.rand(1, 3, 224, 224)).shape == (1, 512)
    assert shapes == [(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_smaller_images_are_refused() -> None:
    with pytest.raises(ValueError, match="resnet10 needs images of at least 32x32, got 28x28"):
        ResNet10((28, 28, 1))
