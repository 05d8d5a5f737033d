"""A few samples of each class of the data sets that are not here, in files of their true format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from data.sources.phcx_files import block, candidate, written

EACH = 4
SMALL_HTRU_SPLIT = {"train_pulsars": 6, "train_rfi": 10, "test_pulsars_from": 6, "test_rfi_from": 10}


LISTS = {
    "imagenet-lt": ("ImageNet_LT_train.txt", "ImageNet_LT_test.txt"),
    "places-lt": ("Places_LT_train.txt", "Places_LT_test.txt"),
    "inaturalist2018": ("iNaturalist18_train.txt", "iNaturalist18_val.txt"),
}
LISTED_CLASSES = 8


def write_lists(root: Path, pixels: np.random.Generator) -> None:
    """Lists of the first classes alone, and their images."""
    for folder, lists in LISTS.items():
        for name in lists:
            lines = []
            for label in range(LISTED_CLASSES):
                for number in range(EACH):
                    path = f"{Path(name).stem}/{label}/{number}.jpg"
                    (root / folder / path).parent.mkdir(parents=True, exist_ok=True)
                    image = Image.fromarray(pixels.integers(0, 256, (40, 48, 3), dtype=np.uint8))
                    image.save(root / folder / path)
                    lines.append(f"{path} {label}")
            (root / folder / name).write_text("\n".join(lines))


def write_small_data(root: Path) -> None:
    """Fill a data root."""
    pixels = np.random.default_rng(0)
    for split in ("train", "test"):
        labels = np.repeat(np.arange(1, 11), EACH)
        images = pixels.integers(0, 256, (32, 32, 3, len(labels)), dtype=np.uint8)
        (root / "svhn").mkdir(exist_ok=True)
        scipy.io.savemat(root / "svhn" / f"{split}_32x32.mat", {"X": images, "y": labels[:, None]})
        records = [bytes([0, label]) + pixels.bytes(3072) for label in range(100) for _ in range(EACH)]
        (root / "cifar100/cifar-100-binary").mkdir(parents=True, exist_ok=True)
        (root / f"cifar100/cifar-100-binary/{split}.bin").write_bytes(b"".join(records))
    write_lists(root, pixels)
    for kind, count in {"pulsars": 10, "RFI": 16}.items():
        for number in range(count):
            images = [pixels.integers(0, 256, (16, 32), dtype=np.uint8) for _ in range(2)]
            content = candidate(block("SubIntegrations", images[0]), block("SubBands", images[1]))
            written(root / "htru-medlat" / kind / f"candidate_{number:03}.phcx.gz", content)
