"""AutoAugment's policy: what is drawn, and that each image gets its own operation."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from data.augment.pictures import real
from tailwise.data.augment.policy import CIFAR10, NUMBERS, OPERATIONS, operate
from tailwise.errors import InputError

NAMES = list(NUMBERS)
SIGNED = {name for name, operation in OPERATIONS.items() if operation.signed}
DRAWS = 200_000


def drawn() -> tuple[list[list[int]], list[list[float]]]:
    numbers, strengths = CIFAR10.draw(DRAWS, torch.Generator().manual_seed(0))
    return numbers.tolist(), strengths.tolist()


def test_policy_has_25_sub_policies_of_two_known_operations() -> None:
    assert CIFAR10.numbers.shape == CIFAR10.probabilities.shape == (25, 2)
    assert "identity" not in {NAMES[number] for number in CIFAR10.numbers.flatten()}
    assert ((CIFAR10.probabilities * 10).round() / 10 - CIFAR10.probabilities).abs().max() < 1e-6


@pytest.mark.usefixtures("timm_importable")
def test_policy_is_torchvisions() -> None:
    from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy

    names = {"ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x", "TranslateY": "translate_y"}
    for row, pair in enumerate(AutoAugment(AutoAugmentPolicy.CIFAR10).policies):
        for stage, (name, probability, level) in enumerate(pair):
            own = names.get(name, name.lower())
            assert NAMES[CIFAR10.numbers[row, stage]] == own
            assert CIFAR10.probabilities[row, stage] == pytest.approx(probability)
            if level is not None:
                assert tuple(CIFAR10.strengths[row, stage].tolist()) == OPERATIONS[own].strengths(level)


@pytest.mark.parametrize("stage", [0, 1])
def test_operations_happen_as_often_and_as_strongly_as_the_policy_says(stage: int) -> None:
    expected: Counter[tuple[int, float]] = Counter()
    for number, probability, strengths in zip(
        CIFAR10.numbers[:, stage].tolist(),
        CIFAR10.probabilities[:, stage].tolist(),
        CIFAR10.strengths[:, stage].tolist(),
        strict=True,
    ):
        for strength in strengths:
            expected[number, strength] += probability / 25 / 2
    numbers, strengths = drawn()
    found = Counter((number[stage], strength[stage]) for number, strength in zip(numbers, strengths, strict=True))
    found = Counter({key: count for key, count in found.items() if NAMES[key[0]] != "identity"})
    assert set(found) == {key for key, share in expected.items() if share > 0}
    for key, share in expected.items():
        assert abs(found[key] / DRAWS - share) < 5 * math.sqrt(share / DRAWS)


def test_both_operations_of_an_image_are_of_one_sub_policy() -> None:
    numbers, _ = drawn()
    both = {tuple(pair) for pair in numbers if NUMBERS["identity"] not in pair}
    possible = CIFAR10.numbers[(CIFAR10.probabilities > 0).all(dim=1)].tolist()
    assert both == {tuple(pair) for pair in possible}


def test_sign_is_drawn_where_the_operation_has_one() -> None:
    for numbers, strengths in zip(CIFAR10.numbers.tolist(), CIFAR10.strengths.tolist(), strict=True):
        for number, (added, subtracted) in zip(numbers, strengths, strict=True):
            operation = OPERATIONS[NAMES[number]]
            assert added - operation.weakest == pytest.approx(
                (operation.weakest - subtracted) if operation.signed else (subtracted - operation.weakest)
            )
    assert {"invert", "autocontrast", "equalize", "posterize", "solarize", "identity"} == set(NAMES) - SIGNED


@pytest.mark.parametrize(
    ("name", "level", "strength"),
    [
        ("shear_y", 9, 0.3),
        ("translate_x", 9, 150 / 331),
        ("rotate", 2, 30 * 2 / 9),
        ("color", 9, 1.9),
        ("sharpness", 0, 1.0),
        ("posterize", 9, 4.0),
        ("solarize", 0, 256.0),
        ("solarize", 9, 0.0),
    ],
)
def test_levels_run_from_no_effect_to_the_papers_range(name: str, level: int, strength: float) -> None:
    assert OPERATIONS[name].strengths(level)[0] == pytest.approx(strength)


def test_each_image_gets_its_own_operation_and_strength(data_root: Path) -> None:
    images = real(data_root, 120)
    numbers = torch.arange(120) % len(OPERATIONS)
    strengths = torch.tensor([OPERATIONS[NAMES[number]].strengths(6)[0] for number in numbers])
    done = operate(images, numbers, strengths)
    for index in range(120):
        alone = slice(index, index + 1)
        assert torch.equal(done[alone], operate(images[alone], numbers[alone], strengths[alone]))
    changed = {
        NAMES[number] for number, before, after in zip(numbers, images, done, strict=True) if (before != after).any()
    }
    assert changed == set(NAMES) - {"identity"}


def test_operations_for_another_batch_are_refused() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"a batch of 2 images takes parameters \(2,\), got \(3,\)"):
        operate(images, torch.zeros(2, dtype=torch.int64), torch.ones(3))
