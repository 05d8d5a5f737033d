"""Picture of mixing: two digits, what each method makes of them, and whose label the result bears."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tailwise.data.sources import SOURCES
from tailwise.mixing import balanced_mixup, cutmix, mixup, remix
from tailwise.report.figure_file import write_figure

FREQUENT, RARE = 0, 4
COUNTS = [5000, 500, 500, 500, 50]


def draw() -> Figure:
    """One column an image, its label below."""
    digits = SOURCES["digits"]().load(root=None, split="train")
    images = np.stack([digits.inputs[digits.targets == label][0] for label in (FREQUENT, RARE)])
    a, targets = torch.from_numpy(images).reshape(2, 1, 8, 8).float(), torch.tensor([FREQUENT, RARE])
    b, classes = (a.flip(0), targets.flip(0)), {"num_classes": len(COUNTS)}
    alone = torch.eye(len(COUNTS))
    like_mixup = _seed(lambda generator: mixup(a, targets, **classes, generator=generator), share=0.42)
    columns = {
        "a, 5,000 samples": (a, alone[targets]),
        "b, 50 samples": (b[0], alone[b[1]]),
        "mixup": mixup(a, targets, **classes, generator=np.random.default_rng(like_mixup)),
        "Remix": remix(a, targets, COUNTS, generator=np.random.default_rng(like_mixup)),
    }
    balanced = _seed(lambda generator: balanced_mixup(a, targets, *b, **classes, generator=generator), share=0.75)
    columns["balanced mixup"] = balanced_mixup(a, targets, *b, **classes, generator=np.random.default_rng(balanced))
    pasted = _seed(lambda generator: cutmix(a, targets, **classes, generator=generator), share=0.6)
    columns["CutMix, CMO"] = cutmix(a, targets, **classes, generator=np.random.default_rng(pasted))
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axes, (name, (mixed, labels)) in zip(figure.subplots(1, len(columns)), columns.items(), strict=True):
        axes.imshow(mixed[0, 0].numpy(), cmap=matplotlib.colormaps["gray_r"], interpolation="nearest")
        axes.set_title(name, fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([])
        shares = (f"{labels[0, label]:.0%} {digits.class_names[label]}" for label in (FREQUENT, RARE))
        axes.set_xlabel("label: " + ", ".join(shares), fontsize=9)
    return figure


def _seed(mix: Callable[[np.random.Generator], tuple[Tensor, Tensor]], share: float) -> int:
    """The first seed with which the label of the first sample is about ``share`` the frequent class's."""
    for seed in range(1000):
        _, labels = mix(np.random.default_rng(seed))
        if abs(float(labels[0, FREQUENT]) - share) < 0.04:
            return seed
    raise ValueError(f"no seed mixes at {share}")


if __name__ == "__main__":
    write_figure(Path(sys.argv[1]), draw)
