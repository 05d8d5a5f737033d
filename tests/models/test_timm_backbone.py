"""Networks of timm as backbones."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from tailwise.models.classifier import build_classifier

pytestmark = pytest.mark.usefixtures("timm_importable")


def images(side: int, channels: int = 3) -> torch.Tensor:
    return torch.zeros(2, side, side, channels, dtype=torch.uint8)


def test_resnet50_has_its_features_and_parameters() -> None:
    classifier = build_classifier(images(64), 1000, "timm/resnet50")
    assert classifier.features(images(64)).shape == (2, 2048)
    assert classifier.num_parameters == 25_557_032


def test_features_are_those_that_come_out_where_a_network_has_a_layer_before_its_classifier() -> None:
    classifier = build_classifier(images(32), 10, "timm/mobilenetv3_small_050")
    assert classifier.features(images(32)).shape == (2, 1024)
    assert classifier(images(32)).shape == (2, 10)


def test_channels_are_those_of_the_images() -> None:
    assert build_classifier(images(32, 1), 10, "timm/resnet18")(images(32, 1)).shape == (2, 10)


def test_network_of_fixed_size_is_made_for_the_images() -> None:
    assert build_classifier(images(64), 10, "timm/vit_tiny_patch16_224")(images(64)).shape == (2, 10)


def test_unknown_network_gets_the_nearest_names() -> None:
    with pytest.raises(ValueError, match=r"timm has no network named 'resnet5'; there are .*resnet50"):
        build_classifier(images(32), 10, "timm/resnet5")
    with pytest.raises(ValueError, match=r"timm has no network named 'nonsense'; `timm.list_models"):
        build_classifier(images(32), 10, "timm/nonsense")


def test_images_that_the_network_cannot_take_are_named() -> None:
    with pytest.raises(ValueError, match="timm cannot build vit_tiny_patch16_224 for 10x10 images"):
        build_classifier(images(10), 10, "timm/vit_tiny_patch16_224")


def test_missing_timm_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "timm" else find_spec(name, *rest)
    )
    with pytest.raises(ValueError, match=r"timm/resnet50 needs timm; install it with `pip install 'tailwise\[timm\]'`"):
        build_classifier(images(32), 10, "timm/resnet50")


def test_pretrained_weights_of_our_own_networks_do_not_exist() -> None:
    with pytest.raises(ValueError, match="no pretrained weights of resnet20"):
        build_classifier(images(32), 10, "resnet20", pretrained=True)
