"""Places-LT: a long-tailed part of Places-2."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.sources.published_list import PublishedList


class PlacesLT(PublishedList):
    """62 500 training images of 365 kinds of places, 5 to 4980 of each; 36 500 test images, 100 of each.

    Source: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019.
    """

    summary: ClassVar = "long-tailed Places, 62 500 + 36 500 images, 365 classes of 5 to 4980 images, streamed"
    layout: ClassVar = (
        "places-lt/Places_LT_{train,test}.txt; images: the folder that the lists' paths start from, else places-lt/"
    )
    folder: ClassVar = "places-lt"
    lists: ClassVar = {"train": "Places_LT_train.txt", "test": "Places_LT_test.txt"}
    num_classes: ClassVar = 365
    published_at: ClassVar = "https://github.com/zhmiao/OpenLongTailRecognition-OLTR"

    name: Literal["places-lt"] = "places-lt"
