"""iNaturalist 2018: photographs of species, naturally long-tailed."""

from __future__ import annotations

from typing import ClassVar, Literal

from tailwise.data.sources.published_list import PublishedList


class INaturalist2018(PublishedList):
    """437 513 training images of 8142 species, 2 to 1000 of each; 24 426 validation images, 3 of each, to test on.

    Source: Van Horn et al., "The iNaturalist Species Classification and Detection Dataset", CVPR 2018.
    """

    summary: ClassVar = "species, 437 513 + 24 426 images, 8142 classes of 2 to 1000 images, streamed"
    layout: ClassVar = (
        "inaturalist2018/iNaturalist18_{train,val}.txt; images: the folder with train_val2018/, else inaturalist2018/"
    )
    folder: ClassVar = "inaturalist2018"
    lists: ClassVar = {"train": "iNaturalist18_train.txt", "test": "iNaturalist18_val.txt"}
    num_classes: ClassVar = 8142
    published_at: ClassVar = "https://github.com/facebookresearch/classifier-balancing"

    name: Literal["inaturalist2018"] = "inaturalist2018"
