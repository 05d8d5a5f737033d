"""Time to augment batches of 128 colour images of 32 x 32: tailwise beside Pillow, image by image, in turns.

The Pillow side is what a data loader's worker does: an image from the array, the operations with parameters drawn for
it, an array from the image, and the batch stacked of them. Both start from and end in one uint8 array.

    python benchmarks/augmentation.py --repeats 40 --out benchmarks/results/augmentation.json
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from PIL import __version__ as pillow_version
from side_by_side import parser, write

from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.policy import CIFAR10, NUMBERS
from tailwise.data.augment.steps import AutoAugment, Crop, Cutout, Flip, StepModel, augment

SETTINGS: dict[str, tuple[StepModel, ...]] = {
    "crop, flip": (Crop(), Flip()),
    "crop, flip, cutout": (Crop(), Flip(), Cutout()),
    "crop, flip, autoaugment, cutout": (Crop(), Flip(), AutoAugment(), Cutout()),
}
GREY = (128, 128, 128)
Picture = Image.Image


def affine(image: Picture, *matrix: float) -> Picture:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=GREY)


PILLOW: dict[str, Callable[[Picture, float], Picture]] = {
    "shear_x": lambda image, slope: affine(image, 1, slope, 0, 0, 1, 0),
    "shear_y": lambda image, slope: affine(image, 1, 0, 0, slope, 1, 0),
    "translate_x": lambda image, part: affine(image, 1, 0, part * image.width, 0, 1, 0),
    "translate_y": lambda image, part: affine(image, 1, 0, 0, 0, 1, part * image.height),
    "rotate": lambda image, degrees: image.rotate(degrees, fillcolor=GREY),
    "posterize": lambda image, bits: ImageOps.posterize(image, round(bits)),
    "solarize": lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    "invert": lambda image, _: ImageOps.invert(image),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
}


def with_pillow(images: NDArray[np.uint8], steps: tuple[StepModel, ...], rng: random.Random) -> NDArray[np.uint8]:
    return np.stack([one_with_pillow(image, steps, rng) for image in images])


def one_with_pillow(array: NDArray[np.uint8], steps: tuple[StepModel, ...], rng: random.Random) -> NDArray[np.uint8]:
    image = Image.fromarray(array)
    for step in steps:
        if isinstance(step, Crop):
            left, top = rng.randint(0, 2 * step.padding), rng.randint(0, 2 * step.padding)
            padded = ImageOps.expand(image, step.padding)
            image = padded.crop((left, top, left + image.width, top + image.height))
        elif isinstance(step, Flip) and rng.random() < 0.5:
            image = ImageOps.mirror(image)
        elif isinstance(step, AutoAugment):
            image = autoaugment_with_pillow(image, rng)
        elif isinstance(step, Cutout):
            left, top = (rng.randrange(side) - step.length // 2 for side in image.size)
            image.paste((0, 0, 0), (max(left, 0), max(top, 0), left + step.length, top + step.length))
    return np.asarray(image)


def autoaugment_with_pillow(image: Picture, rng: random.Random) -> Picture:
    names = list(NUMBERS)
    for number, probability, strengths in SUB_POLICIES[rng.randrange(len(SUB_POLICIES))]:
        if rng.random() < probability:
            image = PILLOW[names[number]](image, rng.choice(strengths))
    return image


SUB_POLICIES = [
    list(zip(*pair, strict=True))
    for pair in zip(CIFAR10.numbers.tolist(), CIFAR10.probabilities.tolist(), CIFAR10.strengths.tolist(), strict=True)
]


def time_setting(steps: tuple[StepModel, ...], repeats: int) -> dict[str, list[float]]:
    images = np.random.default_rng(0).integers(0, 256, (128, 4, 4, 3), dtype=np.uint8)
    images = np.stack([np.asarray(Image.fromarray(image).resize((32, 32))) for image in images])
    rng = random.Random(0)
    runs: dict[str, Callable[[int], object]] = {
        "pillow": lambda batch: with_pillow(images, steps, rng),
        "tailwise": lambda batch: augment(torch.from_numpy(images), steps, batch_generator(0, 0, batch)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for batch in range(-3, repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            run(batch + 3)
            if batch >= 0:  # the first are to warm up
                seconds[name].append(time.perf_counter() - began)
    return seconds


def main() -> None:
    options = parser(__doc__, repeats=40)
    options.set_defaults(threads=1)  # Pillow works on one image at a time, in one
    arguments = options.parse_args()
    torch.set_num_threads(arguments.threads)
    results: dict[str, object] = {}
    for name, steps in SETTINGS.items():
        seconds = time_setting(steps, arguments.repeats)
        medians = {side: statistics.median(values) for side, values in seconds.items()}
        ratio = medians["tailwise"] / medians["pillow"]
        results[name] = {"ratio": ratio, "median_seconds": medians, "seconds": seconds}
        shown = ", ".join(f"{side} {value * 1e3:.2f} ms" for side, value in medians.items())
        print(f"{name}: {shown}, tailwise / pillow: {ratio:.2f}", flush=True)
    result = {
        "batch": [128, 32, 32, 3],
        "repeats": arguments.repeats,
        "settings": results,
        "load": os.getloadavg(),
        "pillow": pillow_version,
    }
    write(arguments.out, result)


if __name__ == "__main__":
    main()
