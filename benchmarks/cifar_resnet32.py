"""Images a second of training a ResNet-32 with AutoAugment and Cutout: tailwise beside a plain PyTorch loop, in turns.

The plain loop is what the long-tailed literature's code does, written afresh to be read: a data set that augments image
by image with Pillow, a DataLoader with workers, the network of torch's own layers, evaluation left out on both sides.
Images are made up; both train on the same. The time is that of an epoch after a first one.

    python benchmarks/cifar_resnet32.py --out benchmarks/results/cifar_resnet32.json
"""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from augmentation import one_with_pillow
from side_by_side import parser, ratio, take_turns, write
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tailwise.bench.training import STRONG
from tailwise.data.arrays import Arrays
from tailwise.data.augment.batch import batch_generator
from tailwise.data.augment.steps import augment
from tailwise.data.loader import Batches
from tailwise.losses import build_loss
from tailwise.models.classifier import build_classifier
from tailwise.recipes.optimizer_config import SGDConfig
from tailwise.training.memory import keep_freed_memory
from tailwise.training.optimization import build_optimizer

BATCH = 128
CLASSES = 10
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def arrays(images: int) -> Arrays:
    pixels = np.random.default_rng(0).integers(0, 256, (images, 8, 8, 3), dtype=np.uint8)
    inputs = pixels.repeat(4, axis=1).repeat(4, axis=2)
    return Arrays(inputs, np.arange(images) % CLASSES, tuple(map(str, range(CLASSES))))


class PlainImages(Dataset[tuple[Tensor, int]]):
    """One augmented, standardised image a time."""

    def __init__(self, data: Arrays) -> None:
        self.data = data
        self.random = random.Random(0)

    def __len__(self) -> int:
        return len(self.data.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.from_numpy(one_with_pillow(self.data.inputs[index], STRONG, self.random).copy())
        scaled = image.permute(2, 0, 1).float().div(255)
        return (scaled - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1), int(
            self.data.targets[index]
        )


class PlainBlock(nn.Module):
    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.grows = wide - narrow

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.grows:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grows // 2, self.grows // 2))
        return F.relu(out + x)


class PlainResNet32(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        blocks: list[nn.Module] = []
        for narrow, wide in ((16, 16), (16, 32), (32, 64)):
            blocks += [PlainBlock(narrow, wide, 1 if narrow == wide else 2)]
            blocks += [PlainBlock(wide, wide, 1) for _ in range(4)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


def plain_loop(turn: int, images: int, workers: int, device: str) -> dict[str, float]:
    torch.manual_seed(turn)
    network = PlainResNet32().to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    loader = DataLoader(
        PlainImages(arrays(images)), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs.to(device)), targets.to(device))
            loss.backward()
            optimizer.step()
            loss.item()  # for the progress bar that such loops have
        seconds = time.perf_counter() - began
    return {"images_a_second": images / seconds}


def tailwise_loop(turn: int, images: int, workers: int, device: str) -> dict[str, float]:
    """The engine's step: its batches, augmentation, classifier, loss and optimiser."""
    keep_freed_memory()
    torch.manual_seed(turn)
    data = arrays(images)
    batches = Batches(data, BATCH, torch.device(device))
    classifier = build_classifier(torch.from_numpy(data.inputs), CLASSES, "resnet32").to(device)
    if device == "cuda":
        classifier.compile(mode="reduce-overhead", dynamic=False)
    optimizer = build_optimizer(SGDConfig(lr=0.1, weight_decay=2e-4), classifier.parameters(), device)
    criterion = build_loss("ce").to(device)
    seconds = 0.0
    for epoch in range(2):
        began = time.perf_counter()
        for number, (inputs, targets) in enumerate(batches.shuffled(turn, epoch)):
            inputs = augment(inputs, STRONG, batch_generator(turn, epoch, number))
            optimizer.zero_grad()
            criterion(classifier(inputs), targets).backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return {"images_a_second": images / seconds}


def main(given: list[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, repeats=3)
    options.add_argument("--images", type=int, default=2560)
    options.add_argument("--workers", type=int, default=2, help="of the plain loop's DataLoader")
    options.add_argument("--device", default="cpu")
    arguments = options.parse_args(given)
    contenders = {"plain loop": plain_loop, "tailwise": tailwise_loop}
    sizes = {"images": arguments.images, "workers": arguments.workers, "device": arguments.device}
    runs = take_turns(contenders, arguments.repeats, arguments.threads, **sizes)
    faster = ratio(runs, "images_a_second", "tailwise", "plain loop")
    print(f"images a second of tailwise / plain loop: {faster:.2f}")
    result = {"ratio": faster, **sizes, "batch": BATCH, "repeats": arguments.repeats, "runs": runs}
    write(arguments.out, result, arguments.device)
    return result


if __name__ == "__main__":
    main()
