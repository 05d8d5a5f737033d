"""ImageNet-LT: a long-tailed part of ImageNet."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.sources.published_list import PublishedList


class ImageNetLT(PublishedList):
    """115 846 training images of 1000 classes, 5 to 1280 of each; 50 000 test images, 50 of each.

    Source: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019.
    """

    summary: ClassVar = "long-tailed ImageNet, 115 846 + 50 000 images, 1000 classes of 5 to 1280 images, streamed"
    layout: ClassVar = (
        "imagenet-lt/ImageNet_LT_{train,test}.txt; images: the folder with train/ and val/ of ImageNet, "
        "else imagenet-lt/"
    )
    folder: ClassVar = "imagenet-lt"
    lists: ClassVar = {"train": "ImageNet_LT_train.txt", "test": "ImageNet_LT_test.txt"}
    num_classes: ClassVar = 1000
    published_at: ClassVar = "https://github.com/zhmiao/OpenLongTailRecognition-OLTR"

    name: Literal["imagenet-lt"] = "imagenet-lt"
