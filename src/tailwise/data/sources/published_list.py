"""Large data sets that are published as lists of images with the label of each."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from tailwise.data.image_list import ImageList
from tailwise.data.sources.base import Split, expected_at, find_under, locate
from tailwise.data.sources.list_file import FramedSource, is_number, read_list
from tailwise.errors import InputError


class PublishedList(FramedSource):
    """A training and a test list under the data root; the images are beside them or in a folder of the user's."""

    folder: ClassVar[str]
    """Where the lists are under the data root, and the images unless ``images`` says otherwise."""
    lists: ClassVar[dict[Split, str]]
    num_classes: ClassVar[int]
    published_at: ClassVar[str]

    def load(self, root: Path | None, split: Split) -> ImageList:
        """Read one split's list; classes are named by their numbers."""
        relative = f"{self.folder}/{self.lists[split]}"
        path = find_under(root, relative)
        if path is None:
            raise InputError(
                f"{self.folder} needs the list {self.lists[split]} of {self.published_at}; "
                f"put it at {expected_at(root, relative)}"
            )
        table = read_list(path)
        labels = table.labels
        numbers = labels.dtype.kind == "i"
        wrong = (labels < 0) | (labels >= self.num_classes) if numbers else [not is_number(label) for label in labels]
        if np.any(wrong):
            place = int(np.argmax(wrong))
            raise InputError(
                f"{path} has label {labels[place]} in line {table.lines[place]}; labels are numbers from 0 to "
                f"{self.num_classes - 1}, so fetch it anew"
            )
        class_names = tuple(str(label) for label in range(self.num_classes))
        folder = path.parent if self.images is None else locate(self.images, root)
        images = self.image_list(table, np.arange(len(labels)), labels, class_names, folder)
        images.check_files()
        return images
