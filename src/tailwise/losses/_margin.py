"""Losses that lower the logit of a sample's own class before the softmax."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.losses._base import ClassificationLoss


def lowered(logits: Tensor, label: Tensor, margins: Tensor) -> Tensor:
    """Logits (B, C) of which each sample's own is less by the margin of its class."""
    return logits.scatter_add(1, label.unsqueeze(1), -margins[label].unsqueeze(1))


class MarginLoss(ClassificationLoss):
    """A loss of ``log p_y`` where p = softmax(z - d_y * onehot_y): each label has its own softmax.

    A soft or smoothed target mixes the losses that the sample would have with each class as its label.
    """

    @abstractmethod
    def margins(self, logits: Tensor) -> Tensor:
        """d: (C,), by how much each class's own logit is lowered, in the dtype and on the device of ``logits``."""

    def _of_hard_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        valid = target != self.ignore_index
        label = target.masked_fill(~valid, 0)
        if self.label_smoothing > 0:
            one_hot = F.one_hot(label, logits.shape[1]).to(logits.dtype)
            mixed = self._smoothed(one_hot) * valid.unsqueeze(1)
            return self._of_mixture(logits, mixed, weight, self._shares(target, weight, logits.dtype).sum())
        return super()._of_hard_target(lowered(logits, label, self.margins(logits)), target, weight)

    def _of_soft_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        return self._of_mixture(logits, self._smoothed(target), weight, None)

    def _smoothed(self, target: Tensor) -> Tensor:
        return (1 - self.label_smoothing) * target + self.label_smoothing / target.shape[1]

    def _of_mixture(self, logits: Tensor, mixed: Tensor, weight: Tensor | None, divisor: Tensor | None) -> Tensor:
        per_class = self._per_class(self._own_log_prob(logits), mixed, weight, divisor)
        return (mixed * per_class).sum(dim=1)

    def _own_log_prob(self, logits: Tensor) -> Tensor:
        """(B, C): the log-probability of each class if it were the label.

        That is log sigmoid(z_c - d_c - logsumexp of the other logits). The others' sum is the whole less the class
        itself, except for the largest logit, where nothing would be left of the difference.
        """
        log_prob = F.log_softmax(logits, dim=1)
        top = logits.argmax(dim=1, keepdim=True)
        is_top = torch.zeros_like(logits, dtype=torch.bool).scatter(1, top, True)
        without_top = logits.masked_fill(is_top, -torch.inf).logsumexp(dim=1, keepdim=True)
        without_self = logits.logsumexp(dim=1, keepdim=True) + torch.log1p(-log_prob.masked_fill(is_top, -1.0).exp())
        return F.logsigmoid(logits - self.margins(logits) - torch.where(is_top, without_top, without_self))
