"""Images of your own listed in a text file, streamed rather than kept in memory."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tailwise.data.image_list import ImageList
from tailwise.data.sources.base import Split, Table, UserSource, locate
from tailwise.data.sources.list_file import FramedSource, ListTable, read_list


class ListedImages(UserSource, FramedSource):
    """Lines of an image's path and its label, a number or a name without spaces.

    Args:
        train: list.
        test: list; by default a stratified ``test_fraction`` of the training list.
        images: the folder that the paths start from; by default each list's own.
    """

    summary: ClassVar = "your own lists of images, more than fit in memory"
    layout: ClassVar = "train: LIST.txt with lines PATH LABEL, test: LIST.txt (or test_fraction), images: FOLDER"

    name: Literal["image-list"] = "image-list"
    train: Path
    test: Path | None = None

    def paths(self, root: Path | None) -> tuple[Path, Path | None]:
        """The two lists."""
        return locate(self.train, root), self.test and locate(self.test, root)

    def load(self, root: Path | None, split: Split) -> ImageList:
        """One split; some of its files are looked for."""
        images = self.gather(root, *self.select(root, split))
        images.check_files()
        return images

    def read(self, path: Path, train: Table | None) -> Table:
        """Read a list."""
        return read_list(path)

    def gather(
        self,
        root: Path | None,
        path: Path,
        table: Table,
        rows: NDArray[np.int64],
        targets: NDArray[np.int64],
        class_names: tuple[str, ...],
    ) -> ImageList:
        """The wanted rows of a list."""
        assert isinstance(table, ListTable)
        folder = path.parent if self.images is None else locate(self.images, root)
        return self.image_list(table, rows, targets, class_names, folder)
