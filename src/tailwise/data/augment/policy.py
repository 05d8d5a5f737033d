"""The AutoAugment policy found on CIFAR-10: 25 sub-policies, each of two operations with a probability and a level.

E. D. Cubuk, B. Zoph, D. Mane, V. Vasudevan, Q. V. Le: AutoAugment: Learning Augmentation Strategies from Data, CVPR
2019, table 7. A level from 0 to 9 becomes a strength by the linear ranges of Popien's PyTorch version
(DeepVoltaire/AutoAugment), which the long-tailed literature trains with, and by its random signs: the authors'
TensorFlow code has none in color, brightness, contrast and sharpness. What comes from outside the image is mid-grey,
128, as in that version, where torchvision has black. Every affine map takes the nearest pixel, as in the authors' code
and in torchvision; that version has its shears bicubic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import torch
from torch import Tensor

from tailwise.data.augment import geometry, tone
from tailwise.data.augment.batch import check_parameters

HIGHEST_LEVEL = 9


@dataclass(frozen=True)
class Operation:
    """An operation of a policy.

    Args:
        make: from images (n, channels, H, W) and the strength (n,) of each to what ``apply`` takes.
        apply: from the images and what was made of them to the augmented images.
        weakest: strength at level 0.
        strongest: strength at level 9, with equal steps between.
        signed: whether the distance from ``weakest`` is subtracted as often as added.
    """

    make: Callable[[Tensor, Tensor], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False

    def strengths(self, level: int) -> tuple[float, float]:
        """The two strengths, alike probable, of a ``level`` from 0 to 9."""
        distance = (self.strongest - self.weakest) * level / HIGHEST_LEVEL
        return self.weakest + distance, self.weakest - distance if self.signed else self.weakest + distance


def _as_made(images: Tensor, augmented: Tensor) -> Tensor:
    return augmented


# Operations that are applied alike stand together, so that their images are handled at once; the identity stands last.
OPERATIONS = {
    "shear_x": Operation(lambda _, slope: geometry.shear_x(slope), geometry.warp, 0, 0.3, signed=True),
    "shear_y": Operation(lambda _, slope: geometry.shear_y(slope), geometry.warp, 0, 0.3, signed=True),
    "translate_x": Operation(
        lambda images, part: geometry.translate_x(part * images.shape[3]), geometry.warp, 0, 150 / 331, signed=True
    ),
    "translate_y": Operation(
        lambda images, part: geometry.translate_y(part * images.shape[2]), geometry.warp, 0, 150 / 331, signed=True
    ),
    "rotate": Operation(
        lambda images, degrees: geometry.rotate(degrees, *images.shape[2:]), geometry.warp, 0, 30, signed=True
    ),
    "posterize": Operation(lambda images, bits: tone.posterize(images, bits.round()), tone.lookup, 8, 4),
    "solarize": Operation(tone.solarize, tone.lookup, 256, 0),
    "brightness": Operation(tone.brightness, tone.lookup, 1, 1.9, signed=True),
    "contrast": Operation(tone.contrast, tone.lookup, 1, 1.9, signed=True),
    "invert": Operation(lambda images, _: tone.invert(images), tone.lookup),
    "autocontrast": Operation(lambda images, _: tone.autocontrast(images), tone.lookup),
    "equalize": Operation(lambda images, _: tone.equalize(images), tone.lookup),
    "color": Operation(tone.color, _as_made, 1, 1.9, signed=True),
    "sharpness": Operation(tone.sharpness, _as_made, 1, 1.9, signed=True),
    "identity": Operation(lambda images, _: images, _as_made),
}
NUMBERS = {name: number for number, name in enumerate(OPERATIONS)}
SubPolicy: TypeAlias = tuple[tuple[str, float, int], tuple[str, float, int]]
"""Two operations, one after the other: name, probability, level."""


class Policy:
    """Sub-policies, of which each image takes one.

    Args:
        sub_policies: S of them, alike probable.
    """

    def __init__(self, sub_policies: Sequence[SubPolicy]) -> None:
        pairs = [[(NUMBERS[name], probability, level) for name, probability, level in pair] for pair in sub_policies]
        operations = list(OPERATIONS.values())
        self.numbers = torch.tensor([[number for number, _, _ in pair] for pair in pairs])
        self.probabilities = torch.tensor([[probability for _, probability, _ in pair] for pair in pairs])
        self.strengths = torch.tensor(
            [[operations[number].strengths(level) for number, _, level in pair] for pair in pairs], dtype=torch.float64
        )

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What happens to each of ``batch`` images: numbers of operations (batch, 2) and their strengths (batch, 2)."""
        chosen = torch.randint(len(self.numbers), (batch,), generator=generator)
        happens = torch.rand((batch, 2), generator=generator) < self.probabilities[chosen]
        sign = torch.randint(2, (batch, 2, 1), generator=generator)
        numbers = torch.where(happens, self.numbers[chosen], NUMBERS["identity"])
        return numbers, self.strengths[chosen].gather(2, sign).squeeze(2)


def operate(images: Tensor, numbers: Tensor, strengths: Tensor) -> Tensor:
    """One operation on each image.

    Args:
        images: (B, channels, H, W) uint8.
        numbers: (B,) int64 on the CPU, positions in ``OPERATIONS``.
        strengths: (B,) floating on the CPU; operations without a strength ignore theirs.

    Raises:
        InputError: the images are no uint8 batch, or one of the others is of another shape.
    """
    for parameters in (numbers, strengths):
        check_parameters(parameters, images)
    counts = torch.bincount(numbers, minlength=len(OPERATIONS)).tolist()
    changed = len(images) - counts[NUMBERS["identity"]]
    if not changed:
        return images
    order = numbers.argsort()[:changed]
    rows = order.to(images.device, non_blocking=True)
    sizes = counts[: NUMBERS["identity"]]
    chunks = zip(
        OPERATIONS.values(),
        torch.split(images.index_select(0, rows), sizes),
        torch.split(strengths[order], sizes),
        strict=False,  # the identity has no chunk
    )
    present = [chunk for chunk in chunks if len(chunk[1])]
    augmented = [_operate_alike(list(alike)) for _, alike in groupby(present, key=lambda chunk: chunk[0].apply)]
    return images.index_copy(0, rows, torch.cat(augmented))


def _operate_alike(chunks: Sequence[tuple[Operation, Tensor, Tensor]]) -> Tensor:
    """Operations that are applied alike, each on its own images with its own strengths, in one go."""
    made = torch.cat([operation.make(images, strengths) for operation, images, strengths in chunks])
    return chunks[0][0].apply(torch.cat([images for _, images, _ in chunks]), made)


CIFAR10 = Policy(
    (
        (("invert", 0.1, 7), ("contrast", 0.2, 6)),
        (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
        (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
        (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
        (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
        (("color", 0.4, 3), ("brightness", 0.6, 7)),
        (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
        (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
        (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
        (("color", 0.7, 7), ("translate_x", 0.5, 8)),
        (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
        (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
        (("brightness", 0.9, 6), ("color", 0.2, 8)),
        (("solarize", 0.5, 2), ("invert", 0.0, 3)),
        (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
        (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
        (("color", 0.9, 9), ("equalize", 0.6, 6)),
        (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
        (("brightness", 0.1, 3), ("color", 0.7, 0)),
        (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
        (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
        (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
        (("equalize", 0.8, 8), ("invert", 0.1, 3)),
        (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
    )
)
