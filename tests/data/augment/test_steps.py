"""The steps a recipe lists: their settings, what they draw, and that the generator alone decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from data.augment.pictures import real
from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.steps import AutoAugment, Crop, Cutout, Flip, Step, StepModel, augment, check_steps
from tailwise.distributed import Share
from tailwise.errors import InputError

ALL = (Crop(), Flip(), AutoAugment(), Cutout())
steps: TypeAdapter[tuple[StepModel, ...]] = TypeAdapter(tuple[Step, ...])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images(data_root: Path) -> Tensor:
    return real(data_root, 64).permute(0, 2, 3, 1).contiguous()


def test_recipe_lists_become_steps_with_the_papers_defaults() -> None:
    written = [{"name": "crop"}, {"name": "flip"}, {"name": "autoaugment"}, {"name": "cutout"}]
    parsed = steps.validate_python(written)
    assert parsed == (Crop(padding=4), Flip(), AutoAugment(policy="cifar10"), Cutout(length=16))
    assert steps.validate_python(steps.dump_python(parsed, mode="json")) == parsed


@pytest.mark.parametrize(
    "written",
    [
        {"name": "turn"},
        {"name": "crop", "padding": 0},
        {"name": "flip", "p": 1},
        {"name": "autoaugment", "policy": "x"},
    ],
)
def test_settings_that_there_are_not_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        steps.validate_python([written])


def shares(values: Tensor, choices: int) -> Tensor:
    return torch.bincount(values, minlength=choices) / len(values)


def test_all_windows_of_a_crop_are_alike_probable() -> None:
    samples, padding = 40_000, 2
    dot = torch.zeros(samples, 9, 9, 1, dtype=torch.uint8)
    dot[:, 4, 4] = 1
    moved = augment(dot, [Crop(padding=padding)], generator()).flatten(1).argmax(dim=1)
    found = shares(moved, 81).view(9, 9)[4 - padding : 5 + padding, 4 - padding : 5 + padding]
    assert (found - 1 / 25).abs().max() < 5 * (1 / 25 / samples) ** 0.5


def test_half_of_the_images_are_flipped() -> None:
    samples = 40_000
    line = torch.tensor([1, 2], dtype=torch.uint8).view(1, 1, 2, 1).repeat(samples, 1, 1, 1)
    flipped = augment(line, [Flip()], generator())[:, 0, 0, 0] == 2
    assert abs(float(flipped.float().mean()) - 0.5) < 5 * 0.5 / samples**0.5


def test_cutout_is_centred_on_any_pixel_alike() -> None:
    samples = 40_000
    cut = augment(torch.full((samples, 4, 6, 1), 255, dtype=torch.uint8), [Cutout(length=1)], generator())
    assert ((cut == 0).sum(dim=(1, 2, 3)) == 1).all()
    found = shares(cut.flatten(1).argmin(dim=1), 24)
    assert (found - 1 / 24).abs().max() < 5 * (1 / 24 / samples) ** 0.5


@pytest.mark.parametrize("chosen", [[step] for step in ALL] + [list(ALL)], ids=lambda chosen: chosen[0].name)
def test_generator_alone_decides(chosen: Sequence[StepModel], images: Tensor) -> None:
    before, state = images.clone(), torch.get_rng_state()
    once = augment(images, chosen, generator(1))
    torch.manual_seed(5)
    assert torch.equal(augment(images, chosen, generator(1)), once)
    assert not torch.equal(augment(images, chosen, generator(2)), once)
    assert torch.equal(images, before)
    assert (once.shape, once.dtype) == (images.shape, images.dtype)
    torch.set_rng_state(state)
    augment(images, chosen, generator(1))
    assert torch.equal(torch.get_rng_state(), state)


def test_shares_of_several_processes_are_the_batch_of_one(images: Tensor) -> None:
    count = len(images)
    shares = [Share(rank, count - 1) for rank in range(count - 1)]
    parts = [augment(images[share.rows(count)], ALL, generator(1), share, count) for share in shares]
    assert torch.equal(torch.cat(parts), augment(images, ALL, generator(1)))
    assert augment(images[:0], ALL, generator(1), Share(1, 2), 1).shape == (0, *images.shape[1:])


def test_how_images_lie_in_memory_does_not_matter(images: Tensor) -> None:
    planar = images.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert torch.equal(augment(planar, ALL, generator()), augment(images, ALL, generator()))


def test_steps_follow_one_another(images: Tensor) -> None:
    numbers = generator(3)
    one_by_one = augment(augment(images, [Flip()], numbers), [Cutout()], numbers)
    assert torch.equal(augment(images, [Flip(), Cutout()], generator(3)), one_by_one)


def test_grey_images_and_single_images_are_augmented(images: Tensor) -> None:
    for batch in (images[..., :1], images[:1], images[:1, ..., :1]):
        assert augment(batch, ALL, generator()).shape == batch.shape


def test_without_steps_nothing_is_touched(images: Tensor) -> None:
    assert augment(images, (), generator()) is images


@pytest.mark.parametrize("broken", [torch.zeros(2, 8, 8, 3), torch.zeros(8, 8, 3, dtype=torch.uint8)])
def test_what_is_no_batch_of_images_is_refused(broken: Tensor) -> None:
    with pytest.raises(InputError, match="takes a batch of uint8 images, of four dimensions, got torch"):
        augment(broken, ALL, generator())


def test_channels_that_come_first_are_refused(images: Tensor) -> None:
    with pytest.raises(InputError, match=r"looks like channels first; give images\.permute\(0, 2, 3, 1\)"):
        augment(images.permute(0, 3, 1, 2), [Flip()], generator())


def test_step_that_does_not_fit_the_batch_is_refused(images: Tensor) -> None:
    with pytest.raises(InputError, match=r"cutout\.length must be at most"):
        augment(images, [Cutout(length=1 + min(images.shape[1:3]))], generator())


@pytest.mark.parametrize(
    ("step", "shape", "message"),
    [
        (Flip(), (7,), "for images, but these samples are tables of 7 features; leave it out"),
        (Crop(padding=8), (8, 9, 3), "crop.padding must be below the 8 pixels of a side, got 8"),
        (Cutout(length=16), (15, 20, 1), "cutout.length must be at most the 15 pixels of a side, got 16"),
        (AutoAugment(), (8, 8, 4), "1 or 3 channels, got 4"),
    ],
)
def test_samples_that_a_step_is_not_for_are_refused(step: StepModel, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_steps([step], shape)
    check_steps([], shape)


def test_every_batch_has_random_numbers_of_its_own() -> None:
    first = [
        float(torch.rand((), generator=batch_generator(seed, epoch, batch), dtype=torch.float64))
        for seed in (0, 1, 2**63 - 1)
        for epoch in range(3)
        for batch in range(3)
    ]
    assert len(set(first)) == 27
    assert torch.equal(*(torch.rand(5, generator=batch_generator(3, 1, 2)) for _ in range(2)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_the_images_of_the_cpu(images: Tensor) -> None:
    augmented = augment(images.cuda(), ALL, generator())
    assert augmented.is_cuda
    assert torch.equal(augmented.cpu(), augment(images, ALL, generator()))
