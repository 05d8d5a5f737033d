"""G-mean: the geometric mean of the recalls, which one lost class takes to 0."""

from __future__ import annotations

from torch import Tensor

from tailwise.metrics._recall import RecallMetric


class GeometricMean(RecallMetric):
    """Geometric mean of the recalls of the classes.

        (prod_c recall_c)^(1 / C)

    0 where a class is never found, at any C: with many classes and few samples of each it says no more than that.

    Args:
        num_classes: C.
        **options: see ``ClassificationMetric``.

    Raises:
        ValueError: there are fewer than two classes.

    Source: Kubat and Matwin, "Addressing the Curse of Imbalanced Training Sets", ICML 1997; for more than two classes
    Sun et al., "Boosting for Learning Multiple Classes with Imbalanced Class Distribution", ICDM 2006.
    """

    def compute(self) -> Tensor:
        """In 0..1."""
        return self.recalls().log().nanmean().exp()
