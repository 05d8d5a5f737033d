"""The multi-expert network: what is shared and what not, its size, its classifier, asking few experts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tailwise.heads import ExpertHeads
from tailwise.losses import LDAMLoss
from tailwise.models.classifier import Classifier, build_backbone, build_classifier
from tailwise.models.resnet import ResNet
from tailwise.models.ride import MultiExpertResNet, routed_logits
from tailwise.routing import ExpertRouter

SHAPE = (8, 8, 3)


def images(count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    standardised = torch.randn(count, *SHAPE, generator=generator)
    return standardised.permute(0, 3, 1, 2)


def test_one_expert_of_full_width_is_the_plain_network() -> None:
    plain, one = ResNet(SHAPE, 20), MultiExpertResNet(SHAPE, 20, experts=1, reduced=False)
    # What the plain network numbers through is split after the three blocks of the first stage.
    taken = {}
    for name, value in plain.state_dict().items():
        part, _, rest = name.partition(".")
        number, _, within = rest.partition(".")
        own = part == "blocks" and int(number) >= 3
        taken[f"experts.0.{int(number) - 3}.{within}" if own else name] = value
    one.load_state_dict(taken)
    assert torch.equal(one(images()), plain(images()).unsqueeze(1))
    assert torch.equal(one.eval()(images()), plain.eval()(images()).unsqueeze(1))


@pytest.mark.parametrize(
    ("reduced", "shared", "own"),
    # Counted by hand: the stem 464 and five blocks of 4672; then, of each expert, its ten blocks.
    [
        (True, 464 + 5 * 4672, 8736 + 4 * 10_464 + 31_296 + 4 * 41_664),
        (False, 464 + 5 * 4672, 13_952 + 4 * 18_560 + 55_552 + 4 * 73_984),
    ],
)
@pytest.mark.parametrize("experts", [1, 3])
def test_parameters_are_those_of_the_shared_part_once_and_of_the_experts_and_heads_each(
    reduced: bool, shared: int, own: int, experts: int
) -> None:
    raw = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    classifier = build_classifier(raw, 100, "resnet32", head="cosine", experts=experts, reduced=reduced)
    width = 48 if reduced else 64
    assert classifier.num_parameters == shared + experts * (own + 100 * width)
    assert classifier.features(raw).shape == (2, experts, width)


def test_gradient_of_an_expert_reaches_the_shared_part_and_no_other_expert() -> None:
    network = MultiExpertResNet(SHAPE, 20, experts=3)
    network(images())[:, 1].square().sum().backward()
    for part in (network.stem, network.stem_norm, network.blocks, network.experts[1]):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    for number in (0, 2):
        assert all(p.grad is None or not p.grad.any() for p in network.experts[number].parameters())


def test_experts_start_apart_and_see_the_same() -> None:
    network = MultiExpertResNet(SHAPE, 20, experts=2).eval()
    features = network(images())
    assert not torch.allclose(features[:, 0], features[:, 1], atol=1e-2)
    network.experts[1].load_state_dict(network.experts[0].state_dict())
    features = network(images())
    assert torch.equal(features[:, 0], features[:, 1])


@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_classifier_gives_the_mean_or_every_expert_and_all_parameters_learn(head: str) -> None:
    raw = torch.randint(0, 256, (5, *SHAPE), dtype=torch.uint8)
    classifier = build_classifier(raw, 7, "resnet20", head=head, experts=3).eval()
    logits, features = classifier(raw, with_experts=True)
    assert (logits.shape, features.shape) == ((5, 3, 7), (5, 3, 48))
    assert isinstance(classifier.head, ExpertHeads)
    for number, own in enumerate(classifier.head.heads):
        torch.testing.assert_close(logits[:, number], own(features[:, number]))
    torch.testing.assert_close(classifier(raw), (logits[:, 0] + logits[:, 1] + logits[:, 2]) / 3)
    mean, beside = classifier(raw, with_features=True)
    assert torch.equal(mean, classifier(raw))
    assert torch.equal(beside, features)
    classifier.train()(raw).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in classifier.parameters())


def test_classifier_of_one_head_has_no_experts() -> None:
    raw = torch.zeros(2, 8, dtype=torch.float32)
    with pytest.raises(ValueError, match="the classifier has one head; build it with experts"):
        build_classifier(raw, 2, "mlp")(raw, with_experts=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cnn", (32, 32, 3)), "cnn has no form with several experts; take resnet20, resnet32, resnet44, resnet56"),
        (("mlp", (8,)), "mlp has no form with several experts"),
        (("resnet32", (3, 9, 1)), "resnet32 needs images of at least 4x4, got 3x9"),
        (("resnet20", (8,)), "resnet20 needs images, but these samples are tables"),
    ],
)
def test_experts_that_do_not_fit_are_named(arguments: tuple[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_backbone(*arguments, experts=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SHAPE, 34, 3), "depth must be 6n \\+ 2, such as 20, 32, 44 or 56, got 34"),
        ((SHAPE, 20, 0), "experts must be a whole number from 1 up, got 0"),
    ],
)
def test_network_that_cannot_be_is_named(arguments: tuple[tuple[int, int, int], int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiExpertResNet(*arguments)


def routed_parts() -> tuple[Classifier, MultiExpertResNet, ExpertHeads, ExpertRouter]:
    """A network of four experts and gates that stop different samples at different experts."""
    torch.manual_seed(1)
    raw = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8)
    classifier = build_classifier(raw, 7, "resnet20", head="cosine", experts=4).eval()
    backbone, heads = classifier.backbone, classifier.head
    assert isinstance(backbone, MultiExpertResNet)
    assert isinstance(heads, ExpertHeads)
    router = ExpertRouter(4, 48, 7)
    with torch.no_grad():
        _, features = classifier(raw, with_experts=True)
        for number, layer in enumerate(router.hidden):
            assert isinstance(layer, torch.nn.Linear)
            # An untrained network's features hardly differ: the gates look at what they do.
            layer.weight *= 1000
            layer.bias.copy_(-layer.weight @ torch.nn.functional.normalize(features[:, number], dim=1).mean(dim=0))
    return classifier, backbone, heads, router


@torch.no_grad()
def test_asking_only_those_experts_that_are_needed_predicts_as_asking_all_of_them() -> None:
    classifier, backbone, heads, router = routed_parts()
    raw = torch.randint(0, 256, (60, *SHAPE), dtype=torch.uint8)
    loss = LDAMLoss([7, 6, 5, 4, 3, 2, 1])
    seen = [0] * 4
    for number, own in enumerate(backbone.experts):

        def count(module: torch.nn.Module, given: tuple[Tensor], out: Tensor, number: int = number) -> None:
            seen[number] += len(out)

        own.register_forward_hook(count)
    logits, asked = routed_logits(backbone, heads, router, classifier.standardize(raw), loss.inference_logits)
    assert seen == [int((asked > number).sum()) for number in range(4)]
    assert set(asked.tolist()) == {1, 2, 3, 4}

    every, features = classifier(raw, with_experts=True)
    every = 30 * every
    scores = router(every, features)
    for row in range(60):
        used = 1
        while used < 4 and scores[row, used - 1] > 0:
            used += 1
        assert used == asked[row]
        torch.testing.assert_close(logits[row], every[row, :used].mean(dim=0), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_no_expert_but_the_first_runs_where_no_sample_asks() -> None:
    classifier, backbone, heads, router = routed_parts()
    router.last.bias.fill_(-1e4)
    backbone.experts[1].register_forward_hook(lambda *given: pytest.fail("the second expert ran"))
    raw = torch.randint(0, 256, (5, *SHAPE), dtype=torch.uint8)
    logits, asked = routed_logits(backbone, heads, router, classifier.standardize(raw))
    assert asked.tolist() == [1] * 5
    backbone.experts[1]._forward_hooks.clear()
    torch.testing.assert_close(logits, classifier(raw, with_experts=True)[0][:, 0])
