"""The steps of an augmentation as a recipe lists them: each draws its parameters and hands them to an operation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from tailwise.data.augment.batch import check_images
from tailwise.data.augment.geometry import crop, cutout, flip
from tailwise.data.augment.policy import CIFAR10, Policy, operate
from tailwise.distributed import ALONE, Share
from tailwise.errors import InputError

Pixels: TypeAlias = Annotated[int, Field(ge=1, strict=True)]


class StepModel(BaseModel, ABC):
    """What the steps have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def check(self, height: int, width: int, channels: int) -> None:
        """Refuse images of a size that the step cannot do anything sensible with.

        Raises:
            InputError: the images are of such a size.
        """

    @abstractmethod
    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Parameters, each (count, ...), for images of a size, with random numbers of ``generator``, on the CPU."""

    @abstractmethod
    def apply(self, images: Tensor, *parameters: Tensor) -> Tensor:
        """Augmented images (B, channels, H, W) uint8, by parameters (B, ...)."""


class Crop(StepModel):
    """Pad with black on each side and take a window of the image's size, all windows alike probable."""

    name: Literal["crop"] = "crop"
    padding: Pixels = 4

    def check(self, height: int, width: int, channels: int) -> None:
        """Refuse a padding of the side of the images, which could leave nothing of them."""
        if self.padding >= min(height, width):
            raise InputError(
                f"crop.padding must be below the {min(height, width)} pixels of a side, got {self.padding}"
            )

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Offsets (count, 2) of the windows."""
        return (torch.randint(2 * self.padding + 1, (count, 2), generator=generator),)

    def apply(self, images: Tensor, *parameters: Tensor) -> Tensor:
        """A window of each image."""
        (offsets,) = parameters
        return crop(images, offsets, self.padding)


class Flip(StepModel):
    """Exchange left and right in every other image, on average."""

    name: Literal["flip"] = "flip"

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Which images, (count,)."""
        return (torch.randint(2, (count,), generator=generator).bool(),)

    def apply(self, images: Tensor, *parameters: Tensor) -> Tensor:
        """Half of the images flipped."""
        return flip(images, *parameters)


class AutoAugment(StepModel):
    """One sub-policy of a policy on each image, see :mod:`tailwise.data.augment.policy`."""

    policies: ClassVar[dict[str, Policy]] = {"cifar10": CIFAR10}

    name: Literal["autoaugment"] = "autoaugment"
    policy: Literal["cifar10"] = "cifar10"

    def check(self, height: int, width: int, channels: int) -> None:
        """Refuse images that are neither grey nor coloured."""
        if channels not in (1, 3):
            raise InputError(f"autoaugment needs images of 1 or 3 channels, got {channels}")

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Numbers and strengths of the operations, both (count, 2)."""
        return self.policies[self.policy].draw(count, generator)

    def apply(self, images: Tensor, *parameters: Tensor) -> Tensor:
        """Two operations on each image, one after the other."""
        numbers, strengths = parameters
        for stage in range(numbers.shape[1]):
            images = operate(images, numbers[:, stage], strengths[:, stage])
        return images


class Cutout(StepModel):
    """Black out a square of each image: its centre is any pixel, and what lies outside the image is lost.

    T. DeVries, G. W. Taylor: Improved Regularization of Convolutional Neural Networks with Cutout, 2017. They fill with
    0 after standardising, which is the mean colour; black, 0 before, is what the long-tailed literature has.
    """

    name: Literal["cutout"] = "cutout"
    length: Pixels = 16

    def check(self, height: int, width: int, channels: int) -> None:
        """Refuse a square larger than the images."""
        if self.length > min(height, width):
            raise InputError(
                f"cutout.length must be at most the {min(height, width)} pixels of a side, got {self.length}"
            )

    def draw(self, count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Centres (count, 2)."""
        sides = [torch.randint(side, (count,), generator=generator) for side in (height, width)]
        return (torch.stack(sides, dim=1),)

    def apply(self, images: Tensor, *parameters: Tensor) -> Tensor:
        """A square less of each image."""
        (centers,) = parameters
        return cutout(images, centers, self.length)


MOST_CHANNELS = 4
"""Of images; what has more in its last dimension has them elsewhere."""

Step: TypeAlias = Annotated[Crop | Flip | AutoAugment | Cutout, Field(discriminator="name")]


def check_steps(steps: Sequence[StepModel], sample_shape: tuple[int, ...]) -> None:
    """Refuse to augment samples of a shape that cannot be: tables (F,), or images (H, W, channels) too small.

    Raises:
        InputError: there are steps for such samples.
    """
    if steps and len(sample_shape) != 3:
        raise InputError(
            f"data.augmentation is for images, but these samples are tables of {sample_shape[0]} features; leave it out"
        )
    for step in steps:
        step.check(*sample_shape)


def augment(
    images: Tensor,
    steps: Sequence[StepModel],
    generator: torch.Generator,
    share: Share = ALONE,
    count: int | None = None,
) -> Tensor:
    """The steps, one after the other, on images (B, H, W, channels) uint8 on any device.

    Without steps these are the images themselves. What comes out follows from the images and ``generator`` alone.

    Args:
        images: to be augmented.
        steps: of a recipe.
        generator: of random numbers, on the CPU.
        share: what of a batch the images are; each process then augments its own as one would who had them all.
        count: images in that batch, by default B.

    Raises:
        InputError: the images have another dtype, number of dimensions or order of them, or a step does not fit them.
    """
    if not steps:
        return images
    check_images(images)
    if images.shape[3] > MOST_CHANNELS >= images.shape[1]:
        raise InputError(
            f"images must be (B, H, W, channels), got shape {tuple(images.shape)}, which looks like channels first; "
            "give images.permute(0, 2, 3, 1)"
        )
    check_steps(steps, tuple(images.shape[1:]))
    # Channel first in memory, as the operations and, after them, the network have it.
    images = images.permute(0, 3, 1, 2).contiguous()
    count = len(images) if count is None else count
    height, width = images.shape[2:]
    rows = share.rows(count)
    for step in steps:
        parameters = step.draw(count, height, width, generator)
        if len(images):  # of a small batch there may be none for this process
            images = step.apply(images, *(drawn[rows] for drawn in parameters))
    return images.permute(0, 2, 3, 1)
