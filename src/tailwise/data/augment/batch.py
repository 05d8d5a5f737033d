"""What every operation gets: uint8 images, a parameter per sample, and the random numbers of the batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tailwise.errors import InputError


def check_images(images: Tensor) -> None:
    """Refuse what is not a batch of images.

    Raises:
        InputError: another dtype than uint8, or another number of dimensions than four.
    """
    if images.dtype != torch.uint8 or images.ndim != 4:
        raise InputError(
            f"augmentation takes a batch of uint8 images, of four dimensions, got {images.dtype} of shape "
            f"{tuple(images.shape)}"
        )


def check_parameters(parameters: Tensor, images: Tensor, *shape: int) -> None:
    """Refuse parameters that are not (B, *shape) for images of four dimensions, B first.

    Raises:
        InputError: the parameters have another shape, or the images are no batch.
    """
    check_images(images)
    wanted = (len(images), *shape)
    if tuple(parameters.shape) != wanted:
        raise InputError(f"a batch of {wanted[0]} images takes parameters {wanted}, got {tuple(parameters.shape)}")


def per_sample(parameters: Tensor, images: Tensor, *shape: int) -> Tensor:
    """``parameters`` (B, *shape), checked, and brought to the device of the images without waiting for it."""
    check_parameters(parameters, images, *shape)
    return parameters.to(images.device, non_blocking=True)


def batch_generator(seed: int, epoch: int, batch: int) -> torch.Generator:
    """The random numbers of one batch; a resumed run draws what an undisturbed one draws.

    They are drawn on the CPU whatever the device. One seed then gives the same augmentation everywhere, and the CPU
    knows which sample needs which operation, so that a GPU is never waited for.
    """
    state = np.random.SeedSequence((seed, epoch, batch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
