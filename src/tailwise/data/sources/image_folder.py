"""Image files in one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tailwise.data.images import decode_images
from tailwise.data.sources.base import ImageSize, Table, UserSource, locate
from tailwise.errors import InputError

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))


class ImageFolder(UserSource):
    """Folders train/<class> and test/<class>, or only <class>, with images at any depth.

    Args:
        path: the folder that holds them. Without a folder test beside train, a stratified ``test_fraction`` is
            split off.
        image_size: side in pixels of the square all images are resized to.
        grayscale: one channel instead of three.
    """

    summary: ClassVar = "your own image files in one folder per class"
    layout: ClassVar = "path: FOLDER with train/CLASS/*.jpg and test/CLASS/*.jpg, or CLASS/*.jpg (and test_fraction)"

    name: Literal["image-folder"] = "image-folder"
    path: Path
    image_size: ImageSize = 32
    grayscale: bool = False

    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """The folders that hold the class folders."""
        folder = locate(self.path, root)
        train, test = folder / "train", folder / "test"
        # Folders of images only are classes that happen to have these names.
        if not _class_folders(train):
            return folder, None
        return train, test if _class_folders(test) else None

    def read(self, path: Path, train: Table | None) -> Table:
        """List a folder; the images are decoded when asked for."""
        folders = _class_folders(path)
        files = [(folder.name, file) for folder in folders for file in image_files(folder)]
        if train is None:
            if len(folders) < 2:
                raise InputError(
                    f"{path} must hold one folder of images per class, at least two; it has {len(folders)}"
                )
            filled = {name for name, _ in files}
            for folder in folders:
                if folder.name not in filled:
                    raise InputError(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))}); fill or remove it")

        def images(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            chosen = [files[row][1] for row in rows]
            return decode_images(((str(file), file) for file in chosen), len(rows), self.image_size, self.grayscale)

        labels = np.array([name for name, _ in files], dtype=np.str_)
        return Table(labels, images, name_of=lambda row: str(files[row][1]))


def _class_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def image_files(folder: Path) -> list[Path]:
    """The images at any depth of a folder, in the order of their paths."""
    files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    return sorted(file for file in files if file.is_file())
