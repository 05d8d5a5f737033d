"""Accuracy of the classes that were many, medium or few in training."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from tailwise.counts import ClassCounts, CountsLike, ShotGroups
from tailwise.hyperparameters import one_of
from tailwise.metrics._recall import RecallMetric


class ShotAccuracy(RecallMetric):
    """Mean recall of the many-, medium- and few-shot classes.

        accuracy_G = (1 / |G|) * sum_{c in G} recall_c,   G = {c: n_c > many}, {c: few <= n_c <= many}, {c: n_c < few}

    n_c are training counts. The result is a dictionary with ``accuracy_many``, ``accuracy_medium`` and
    ``accuracy_few``, the names of ``classification_report``; a group without a class is left out, and one without a
    sample in the data is NaN, so that every batch and process has the same keys.

    Args:
        class_counts: (C,) training counts.
        group: "many", "medium" or "few" for the accuracy of that group alone, as one number.
        many: largest count of a medium class.
        few: smallest count of a medium class.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes, ``few`` is above ``many``, or the group is unknown or empty.

    Source: Liu et al., "Large-Scale Long-Tailed Recognition in an Open World", CVPR 2019.
    """

    def __init__(
        self,
        class_counts: CountsLike,
        group: Literal["many", "medium", "few"] | None = None,
        many: int = 100,
        few: int = 20,
        **options: Any,
    ) -> None:
        counts = ClassCounts(class_counts)
        super().__init__(len(counts), **options)
        groups = counts.groups(many, few)._asdict()
        self.groups = {name: torch.from_numpy(classes) for name, classes in groups.items() if len(classes)}
        if group is not None:
            one_of("group", group, ShotGroups._fields)
            if group not in self.groups:
                raise ValueError(
                    f'group "{group}" has no class where many={many} and few={few}; there are {", ".join(self.groups)}'
                )
        self.group = group

    def compute(self) -> Tensor | dict[str, Tensor]:
        """In 0..1 each."""
        recalls = self.recalls()
        accuracies = {name: recalls[classes].nanmean() for name, classes in self.groups.items()}
        if self.group is not None:
            return accuracies[self.group]
        return {f"accuracy_{name}": accuracy for name, accuracy in accuracies.items()}
