"""The networks and the classifier around them."""

from __future__ import annotations

import pytest
import torch

from tailwise.models.classifier import Standardize, build_backbone, build_classifier


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_lenet_has_the_layers_of_the_paper() -> None:
    sizes = [tuple(p.shape) for p in build_backbone("lenet", (28, 28, 1)).parameters() if p.ndim > 1]
    assert sizes == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120)]


def test_cnn_has_the_layers_of_the_paper() -> None:
    sizes = [tuple(p.shape) for p in build_backbone("cnn", (32, 32, 3)).parameters() if p.ndim > 1]
    assert sizes == [
        (128, 3, 3, 3),
        (128, 128, 3, 3),
        (256, 128, 3, 3),
        (256, 256, 3, 3),
        (1024, 256 * 8 * 8),
        (512, 1024),
    ]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("lenet", (28, 28, 1)),
        ("lenet", (33, 40, 3)),
        ("cnn", (32, 32, 3)),
        ("cnn", (65, 65, 1)),
        ("resnet20", (32, 32, 3)),
        ("resnet32", (9, 7, 1)),
        ("mlp", (8, 8, 1)),
    ],
)
@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_images_become_logits_and_every_parameter_learns(model: str, shape: tuple[int, ...], head: str) -> None:
    images = torch.randint(0, 256, (4, *shape), dtype=torch.uint8)
    classifier = build_classifier(images, 7, model, head=head)
    logits = classifier(images)
    assert logits.shape == (4, 7)
    logits.logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in classifier.parameters())
    assert classifier.num_parameters == parameters(classifier)


def test_mlp_takes_tables_and_widths() -> None:
    features = torch.randn(9, 8)
    classifier = build_classifier(features, 2, "mlp", widths=(16, 5))
    assert classifier(features).shape == (9, 2)
    assert classifier.features(features).shape == (9, 5)
    assert classifier.num_parameters == 8 * 16 + 16 + 16 * 5 + 5 + 5 * 2 + 2


def test_standardize_gives_channels_mean_zero_and_deviation_one() -> None:
    images = torch.randint(0, 256, (50, 6, 5, 3), dtype=torch.uint8)
    images[..., 2] //= 4
    out = Standardize.fitted(images)(images)
    assert out.shape == (50, 3, 6, 5)
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_constant_feature_is_centred_and_stays_finite() -> None:
    features = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert torch.equal(Standardize.fitted(features)(features), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))


def test_without_normalisation_images_come_as_zero_to_one() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    out = Standardize.to_unit_range(images)(images)
    torch.testing.assert_close(out.flatten(), torch.tensor([0.0, 0.2, 1.0]))


def test_normalisation_travels_with_the_weights() -> None:
    images = torch.randint(0, 256, (4, 8, 8, 1), dtype=torch.uint8)
    trained, fresh = build_classifier(images, 3, "mlp"), build_classifier(images // 2, 3, "mlp")
    fresh.load_state_dict(trained.state_dict())
    torch.testing.assert_close(fresh(images), trained(images))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet", (28, 28, 1)), "no model is named 'resnet'; there are lenet, cnn, alexnet, .* and timm/NAME"),
        (("lenet", (8, 8, 1)), "lenet needs images of at least 12x12, got 8x8"),
        (("resnet32", (3, 9, 1)), "resnet32 needs images of at least 4x4, got 3x9"),
        (("cnn", (3, 9, 1)), "cnn needs images of at least 4x4, got 3x9"),
        (("cnn", (8,)), "cnn needs images, but these samples are tables of 8 features"),
        (("lenet", (28, 28, 1), (5,)), "lenet has fixed widths"),
        (("mlp", (8,), ()), "widths must be positive"),
    ],
)
def test_models_that_do_not_fit_are_named(arguments: tuple[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_backbone(*arguments)
