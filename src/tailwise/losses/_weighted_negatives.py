"""Losses whose softmax counts the other classes by weights that depend on the sample's own class."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss
from tailwise.losses._checks import require_labels
from tailwise.losses._fused import PLAIN, Met


class WeightedNegativesLoss(ClassificationLoss):
    """-log( exp(z_y) / (exp(z_y) + sum_{j != y} S_yj * exp(z_j)) ), S without a gradient.

    A soft target mixes the losses that the sample would have with each class as its label: as many softmaxes as the
    largest number of classes that any sample's target names, two for mixup; in a graph of ``torch.compile``, which
    cannot depend on the target, as many as there are classes.
    """

    option_names = SHARED_OPTION_NAMES

    @abstractmethod
    def log_weights(self, logits: Tensor, label: Tensor, met: Met) -> Tensor:
        """Log S: (B, C) for samples of class ``label`` (B,), -inf for a class that does not count.

        ``met`` is what the compiled loop was given with them, for the gradient of its gradient; else it is empty.
        """

    def see(self, target: Tensor, num_classes: int) -> None:
        """Look at the targets of a batch before its loss is computed, for losses that count; by default nothing."""

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """-log p_y, p with the weighted negatives."""
        return -log_p

    def _of_hard_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        label = target.masked_fill(target == self.ignore_index, 0)
        require_labels(label, logits.shape[1])
        self.see(target, logits.shape[1])
        return super()._of_hard_target(self._weighted(logits, label), target, weight)

    def _of_soft_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        self.see(target, logits.shape[1])
        named = logits.shape[1]
        if not torch.compiler.is_compiling():  # a graph cannot depend on what is in the target
            named = int((target != 0).sum(dim=1).max()) if len(target) else 0
        shares, labels = target.topk(named, dim=1)
        loss = logits.new_zeros(len(logits))
        for share, label in zip(shares.unbind(dim=1), labels.unbind(dim=1), strict=True):
            log_prob = F.log_softmax(self._weighted(logits, label), dim=1)
            term = -log_prob.gather(1, label.unsqueeze(1)).squeeze(1)
            loss = loss + share * (term if weight is None else weight[label] * term)
        return loss

    def recomputed(self, logits: Tensor, target: Tensor, met: Met) -> Tensor:
        """The loss with the weights that the compiled loop took."""
        weighted = self._weighted(logits, target.masked_fill(target == self.ignore_index, 0), met)
        weight = None if self.weight is None else self.weight.to(weighted)
        return F.cross_entropy(weighted, target, weight, ignore_index=self.ignore_index, reduction=self.reduction)

    def _weighted(self, logits: Tensor, label: Tensor, met: Met = PLAIN) -> Tensor:
        with torch.no_grad():
            log_weights = self.log_weights(logits.detach(), label, met).scatter(1, label.unsqueeze(1), 0.0)
        return logits + log_weights
