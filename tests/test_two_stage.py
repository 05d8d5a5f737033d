"""Heads of a second stage: against a naive recomputation, scikit-learn, and what theory promises of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid
from torch import nn

from tailwise.heads import CosineHead
from tailwise.losses import LabelAwareSmoothingLoss
from tailwise.models.layers import NormReLU
from tailwise.posthoc import TauNormalization
from tailwise.two_stage import (
    FrozenBackbone,
    LearnableWeightScaling,
    max_norm_,
    max_norm_radius,
    nearest_class_mean,
    reset_head_,
    tau_normalized,
)

TAUS = st.floats(0, 3)


def trained_head(seed: int = 0, features: int = 6, classes: int = 4) -> nn.Linear:
    """Class weights of very different lengths."""
    torch.manual_seed(seed)
    head = nn.Linear(features, classes)
    with torch.no_grad():
        head.weight *= torch.tensor([5.0, 2.0, 1.0, 0.1]).unsqueeze(1)
    return head


@given(tau=TAUS, seed=st.integers(0, 100))
def test_tau_normalisation_equals_a_division_class_by_class(tau: float, seed: int) -> None:
    head = trained_head(seed)
    result = tau_normalized(head, tau)
    features = torch.randn(7, 6)
    for c in range(4):
        direction = head.weight[c].detach().numpy().astype(np.float64)
        weight = direction / np.sqrt((direction**2).sum()) ** tau
        logits = features.numpy() @ weight
        np.testing.assert_allclose(result(features)[:, c].detach().numpy(), logits, rtol=1e-4, atol=1e-5)


def test_tau_zero_leaves_the_weights_and_takes_the_bias() -> None:
    head = trained_head()
    result = tau_normalized(head, 0)
    assert torch.equal(result.weight, head.weight)
    assert (result.bias == 0).all()


def test_tau_one_gives_every_class_length_one() -> None:
    torch.testing.assert_close(tau_normalized(trained_head(), 1).weight.norm(dim=1), torch.ones(4))


def test_tau_normalisation_leaves_the_head_it_is_given() -> None:
    head = trained_head()
    before = head.weight.clone()
    tau_normalized(head, 1)
    assert torch.equal(head.weight, before)
    assert (head.bias != 0).any()


def test_tau_normalisation_keeps_a_class_of_length_zero_finite() -> None:
    head = trained_head()
    with torch.no_grad():
        head.weight[2] = 0
    result = tau_normalized(head, 2)
    assert result.weight.isfinite().all()
    assert (result.weight[2] == 0).all()


@given(tau=TAUS, with_bias=st.booleans())
def test_tau_normalisation_of_logits_gives_the_logits_of_the_normalised_head(tau: float, with_bias: bool) -> None:
    head = trained_head()
    if not with_bias:
        head.bias = None
    features = torch.randn(20, 6)
    with torch.no_grad():
        corrected = TauNormalization(head.weight, head.bias, tau).transform(head(features))
        torch.testing.assert_close(corrected, tau_normalized(head, tau)(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_nearest_class_mean_predicts_as_scikit_learn_does(metric: Any) -> None:
    generator = np.random.default_rng(0)
    target = np.repeat(np.arange(5), [80, 40, 20, 10, 5])
    features = generator.normal(size=(5, 8))[target] + generator.normal(size=(len(target), 8))
    head = nearest_class_mean(torch.from_numpy(features), torch.from_numpy(target), metric=metric)
    means = np.stack([features[target == c].mean(axis=0) for c in range(5)])
    new = generator.normal(size=(200, 8))
    predicted = head(torch.from_numpy(new)).argmax(dim=1).numpy()
    if metric == "euclidean":
        expected = NearestCentroid().fit(features, target).predict(new)
    else:
        cosines = new @ means.T / np.linalg.norm(means, axis=1) / np.linalg.norm(new, axis=1, keepdims=True)
        expected = cosines.argmax(axis=1)
    np.testing.assert_array_equal(predicted, expected)


def test_nearest_class_mean_of_long_tailed_gaussians_predicts_balanced_classes() -> None:
    """Four Gaussians of equal covariance in a square: each takes its quarter, whatever its count."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    target = torch.repeat_interleave(torch.arange(4), torch.tensor([8000, 2000, 1000, 500]))
    features = corners[target] + torch.randn(len(target), 2, generator=generator)
    head = nearest_class_mean(features, target, metric="euclidean")
    balanced = torch.arange(4).repeat(5000)
    predicted = head(corners[balanced] + torch.randn(len(balanced), 2, generator=generator)).argmax(dim=1)
    shares = predicted.bincount(minlength=4) / len(predicted)
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.02, rtol=0)


def test_nearest_class_mean_does_not_depend_on_the_counts() -> None:
    torch.manual_seed(0)
    features, target = torch.randn(30, 4), torch.arange(30) % 3
    once = nearest_class_mean(features, target)
    rare_twice = torch.cat([torch.arange(30), *[(target == 0).nonzero().flatten()] * 9])
    again = nearest_class_mean(features[rare_twice], target[rare_twice])
    torch.testing.assert_close(once.weight, again.weight)


def test_weight_scaling_begins_as_the_head_it_is_given() -> None:
    head = trained_head()
    features = torch.randn(5, 6)
    assert torch.equal(LearnableWeightScaling(head)(features), head(features))


@pytest.mark.parametrize("train_head", [False, True])
def test_weight_scaling_merges_to_a_linear_head_with_the_same_logits(train_head: bool) -> None:
    scaling = LearnableWeightScaling(trained_head(), train_head)
    with torch.no_grad():
        scaling.scale.copy_(torch.tensor([0.2, 1.0, 3.0, -1.0]))
    features = torch.randn(5, 6)
    torch.testing.assert_close(scaling.merged()(features), scaling(features))


def test_weight_scaling_trains_a_number_per_class_and_no_direction() -> None:
    head = trained_head()
    directions = torch.nn.functional.normalize(head.weight.detach().clone(), dim=1)
    scaling = LearnableWeightScaling(head)
    trainable = [parameter for parameter in scaling.parameters() if parameter.requires_grad]
    assert [tuple(parameter.shape) for parameter in trainable] == [(4,)]
    optimizer = torch.optim.SGD(trainable, lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(scaling(torch.randn(8, 6)), torch.arange(8) % 4).backward()
        optimizer.step()
    assert (scaling.scale != 1).any()
    torch.testing.assert_close(torch.nn.functional.normalize(scaling.merged().weight, dim=1), directions)


def test_max_norm_equals_torchs_renorm_and_leaves_shorter_weights_to_the_bit() -> None:
    weight = trained_head().weight.detach()
    expected = torch.renorm(weight, 2, 0, 0.5)
    shorter = weight.norm(dim=1) <= 0.5
    before = weight.clone()
    assert max_norm_(weight, 0.5) is weight
    torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6)
    assert shorter.any()
    assert torch.equal(weight[shorter], before[shorter])


def test_max_norm_projects_a_parameter_in_place() -> None:
    head = trained_head()
    max_norm_(head.weight, 0.1)
    assert float(head.weight.norm(dim=1).max().detach()) <= 0.1 + 1e-6
    assert head.weight.requires_grad


@given(radius=st.floats(0.01, 10))
def test_max_norm_applied_twice_is_max_norm(radius: float) -> None:
    once = max_norm_(trained_head().weight.detach().clone(), radius)
    torch.testing.assert_close(max_norm_(once.clone(), radius), once)


def test_radius_lies_between_the_shortest_and_the_longest() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]])
    assert [max_norm_radius(weight, threshold) for threshold in (0.0, 0.1, 1.0)] == pytest.approx([1.0, 1.4, 5.0])


@pytest.mark.parametrize("head", [nn.Linear(6, 4), CosineHead(6, 4), nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))])
def test_reset_head_draws_all_weights_anew(head: nn.Module) -> None:
    before = [parameter.detach().clone() for parameter in head.parameters()]
    reset_head_(head)
    assert all((old != new).any() for old, new in zip(before, head.parameters(), strict=True))


def backbone() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), NormReLU(8), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def states(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def step(network: FrozenBackbone) -> None:
    """One step on a batch that is unlike what the statistics are of."""
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    network.train()
    loss = LabelAwareSmoothingLoss([50, 20, 10, 5])(network(torch.randn(16, 3, 8, 8) + 5), torch.arange(16) % 4)
    loss.backward()
    optimizer.step()


def test_frozen_backbone_stays_to_the_bit_and_the_head_learns() -> None:
    network = FrozenBackbone(backbone(), nn.Linear(8, 4))
    before, head = states(network.backbone), network.head.weight.clone()
    step(network)
    assert all(torch.equal(value, before[name]) for name, value in states(network.backbone).items())
    assert (network.head.weight != head).any()


def test_shifted_batch_norm_gathers_statistics_and_keeps_its_weights() -> None:
    network = FrozenBackbone(backbone(), LearnableWeightScaling(nn.Linear(8, 4), train_head=True), True)
    before = states(network.backbone)
    step(network)
    changed = {name for name, value in states(network.backbone).items() if not torch.equal(value, before[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


@pytest.mark.parametrize("shift", [False, True])
def test_dropout_of_a_frozen_backbone_is_off(shift: bool) -> None:
    network = FrozenBackbone(backbone(), nn.Linear(8, 4), shift).train()
    images = torch.randn(16, 3, 8, 8)
    assert torch.equal(network.features(images), network.features(images))
    assert not network.features(images).requires_grad


def test_features_are_constant_unless_there_is_batch_normalisation_to_shift() -> None:
    head = nn.Linear(8, 4)
    assert FrozenBackbone(backbone(), head).constant
    assert FrozenBackbone(nn.Flatten(), head, shift_batch_norm=True).constant
    assert not FrozenBackbone(backbone(), head, shift_batch_norm=True).constant


FEATURES, TARGET = torch.randn(6, 3), torch.arange(6) % 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tau_normalized(CosineHead(3, 2)), r"that of a torch\.nn\.Linear head, got CosineHead"),
        (lambda: LearnableWeightScaling(nn.Identity()), r"that of a torch\.nn\.Linear head, got Identity"),
        (lambda: tau_normalized(nn.Linear(3, 2), -1), "tau must be at least 0, got -1"),
        (lambda: reset_head_(nn.Identity()), "Identity has no layer with reset_parameters; give a new head"),
        (lambda: nearest_class_mean(FEATURES, TARGET, metric="l1"), 'metric must be "cosine" or "euclidean"'),  # type: ignore[arg-type]
        (lambda: nearest_class_mean(FEATURES, TARGET[:3]), r"features must be floating \(N, F\) and target \(N,\)"),
        (lambda: nearest_class_mean(FEATURES.long(), TARGET), r"got torch\.int64 of shape \(6, 3\)"),
        (lambda: nearest_class_mean(FEATURES, TARGET, 2), "target 2 is out of range for 2 classes"),
        (lambda: nearest_class_mean(FEATURES, TARGET, 5), "class 3 has no samples, so it has no mean"),
        (lambda: max_norm_(torch.ones(2, 2), 0), "radius must be above 0, got 0"),
        (lambda: max_norm_radius(torch.ones(2, 2), 1.5), "threshold must be at least 0 and at most 1, got 1.5"),
        (lambda: max_norm_radius(torch.zeros(2, 2)), "the radius would be 0, as the shortest weight vector is"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
