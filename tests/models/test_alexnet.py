"""The AlexNet-like network for images of 65x65."""

from __future__ import annotations

import pytest
import torch

from tailwise.models.alexnet import AlexNet


def test_images_of_65_end_as_maps_of_2x2_before_any_averaging() -> None:
    network = AlexNet((65, 65, 3))
    assert network.convolutions[:-1](torch.rand(1, 3, 65, 65)).shape == (1, 256, 2, 2)


@pytest.mark.parametrize("side", [35, 65, 96])
def test_features_do_not_depend_on_the_size_of_the_images(side: int) -> None:
    assert AlexNet((side, side, 1))(torch.rand(2, 1, side, side)).shape == (2, 4096)


def test_smaller_images_are_refused() -> None:
    with pytest.raises(ValueError, match="alexnet needs images of at least 35x35, got 32x64; use the cnn"):
        AlexNet((32, 64, 3))
