"""RIDE's loss: one loss for each expert of a network, and a reward for predicting otherwise than their mean."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range, whole_number
from tailwise.losses._base import ClassificationLoss, double_precision
from tailwise.losses._checks import require_tensor


class MultiExpertLoss(nn.Module):
    """Any loss on each of several experts, with RIDE's diversity.

        L = sum_e [ loss_e(z_e, y) - diversity * Tbar^2 * KL( softmax(zbar / T) || softmax(z_e / T) ) ]
        zbar = mean over the experts of z_e, without gradient;   KL: the mean over the samples
        T_c = temperature before epoch ``start``, and from then on
        T_c = temperature * t_c / max_k t_k,   t_c = reweight_factor * C * pi_c + 1 - reweight_factor,   pi_c = n_c / N
        Tbar = mean over the classes of T_c

    Each expert has a copy of the loss, for losses that gather a state. Of a loss on cosines the diversity sees the
    scaled ones (``inference_logits``). Ignored samples do not count in KL either; class weights act in the loss alone.
    ``reduction`` is that of the given loss: "sum" sums KL over the samples, "none" gives (B,). KL has no upper bound,
    so with a strong diversity neither has L a lower one.

    Args:
        loss: to be copied for each expert.
        num_experts: E, at least 1; KL is 0 of one expert.
        class_counts: (C,) training counts n_c, needed where there is a ``start``.
        diversity: at least 0.
        temperature: positive.
        reweight_factor: from 0, no difference between classes, to below 1.
        start: first epoch, told by ``set_epoch``, of the temperatures by class; by default there is none. The paper
            takes 160 of 200.

    Raises:
        TypeError: ``loss`` is no ``ClassificationLoss``.
        ValueError: a number is out of its range, or there is a ``start`` without ``class_counts``.

    Source: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts" (RIDE), ICLR 2021; the
    temperatures as in the authors' code.
    """

    class_counts: Tensor | None

    def __init__(
        self,
        loss: ClassificationLoss,
        num_experts: int,
        class_counts: CountsLike | None = None,
        diversity: float = 0.2,
        temperature: float = 1.0,
        reweight_factor: float = 0.05,
        start: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(loss, ClassificationLoss):
            raise TypeError(f"loss must be a ClassificationLoss of tailwise.losses, got {type(loss).__name__}")
        self.num_experts = whole_number("num_experts", num_experts, at_least=1)
        self.losses = nn.ModuleList(copy.deepcopy(loss) for _ in range(self.num_experts))
        self.register_buffer("class_counts", None if class_counts is None else ClassCounts(class_counts).tensor())
        self.diversity = in_range("diversity", diversity, at_least=0)
        self.temperature = in_range("temperature", temperature, above=0)
        self.reweight_factor = in_range("reweight_factor", reweight_factor, at_least=0, below=1)
        self.start = None if start is None else whole_number("start", start, at_least=0)
        if self.start is not None and class_counts is None:
            raise ValueError(
                f"start is {start}, but temperatures by class need class_counts, got None; give the number of "
                "training samples of each class, or no start"
            )
        self.epoch = 0

    @property
    def _first(self) -> ClassificationLoss:
        """What holds of one copy's settings holds of all."""
        first = self.losses[0]
        assert isinstance(first, ClassificationLoss)
        return first

    @property
    def weight(self) -> Tensor | None:
        """(C,) class weights of every expert's loss; what a schedule sets."""
        return self._first.weight

    @weight.setter
    def weight(self, weight: Tensor | None) -> None:
        for loss in self.losses:
            loss.weight = weight  # type: ignore[assignment]

    @property
    def for_cosines(self) -> bool:
        """Whether the loss scales its logits, so that they are to be cosines."""
        return self._first.for_cosines

    @property
    def needs_features(self) -> bool:
        """Whether ``forward`` must be given the features."""
        return self._first.needs_features

    def set_epoch(self, epoch: int) -> None:
        """Tell the epoch, from 0, that the next batches belong to; also to losses that ask for it."""
        self.epoch = whole_number("epoch", epoch, at_least=0)
        for loss in self.losses:
            if callable(told := getattr(loss, "set_epoch", None)):
                told(epoch)

    def inference_logits(self, logits: Tensor) -> Tensor:
        """The logits to predict with, of one expert's or the mean's: those given, unless the loss scales them."""
        return self._first.inference_logits(logits)

    def match_classes(self, num_classes: int, device: torch.device) -> None:
        """Refuse logits with another number of classes than the buffers have."""
        self._first.match_classes(num_classes, device)
        if self.class_counts is not None and len(self.class_counts) != num_classes:
            raise ValueError(
                f"logits have {num_classes} classes but class_counts of MultiExpertLoss has "
                f"{len(self.class_counts)}: give one entry per column of the logits"
            )

    def temperatures(self, logits: Tensor) -> Tensor:
        """T: (C,) at the present epoch, in the dtype and on the device of ``logits``."""
        if self.start is None or self.epoch < self.start:
            return logits.new_full(logits.shape[-1:], self.temperature)
        assert self.class_counts is not None
        counts = double_precision(self.class_counts)
        relative = self.reweight_factor * len(counts) * counts / counts.sum() + 1 - self.reweight_factor
        return (self.temperature * relative / relative.max()).to(logits)

    def divergence(self, logits: Tensor) -> Tensor:
        """Tbar^2 * KL of each sample and expert, (B, E).

        Args:
            logits: (B, E, C), those to predict with.
        """
        temperatures = self.temperatures(logits)
        log_of_mean = F.log_softmax(logits.detach().mean(dim=1, keepdim=True) / temperatures, dim=2)
        log_of_own = F.log_softmax(logits / temperatures, dim=2)
        return temperatures.mean().square() * (log_of_mean.exp() * (log_of_mean - log_of_own)).sum(dim=2)

    def forward(self, logits: Tensor, target: Tensor, features: Tensor | None = None) -> Tensor:
        """The loss.

        Args:
            logits: (B, E, C), floating, of every expert; half precision is computed in float32.
            target: (B,) class indices, or (B, C) class probabilities.
            features: (B, E, F) that the logits were made from, for losses that look at them.

        Returns:
            A scalar, or (B,) with ``reduction="none"`` (0 where ignored). A batch without a valid sample gives 0.

        Raises:
            TypeError: logits or target are not tensors.
            ValueError: the shapes or types do not fit together.
            IndexError: a class index is not in 0 .. C-1 and not ``ignore_index``.
        """
        require_tensor("logits", logits)
        if logits.ndim != 3 or logits.shape[1] != self.num_experts or logits.shape[2] < 2:
            raise ValueError(
                f"logits must be of {self.num_experts} experts and at least two classes, (B, {self.num_experts}, C), "
                f"got shape {tuple(logits.shape)}"
            )
        if features is not None and features.shape[:2] != logits.shape[:2]:
            raise ValueError(
                f"features must be ({len(logits)}, {self.num_experts}, F), got shape {tuple(features.shape)}"
            )
        self.match_classes(logits.shape[2], logits.device)
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        total = logits.new_zeros(())
        for number, loss in enumerate(self.losses):
            seen = () if features is None or not self.needs_features else (features[:, number],)
            total = total + loss(logits[:, number], target, *seen)
        if self.diversity == 0:
            return total
        return total - self.diversity * self._reduced(self.divergence(self.inference_logits(logits)).sum(dim=1), target)

    def _reduced(self, divergence: Tensor, target: Tensor) -> Tensor:
        """As the loss reduces, but for its class weights."""
        if target.is_floating_point():
            valid = torch.ones_like(divergence)
        else:
            valid = (target != self._first.ignore_index).to(divergence)
        divergence = divergence * valid
        if self._first.reduction == "none":
            return divergence
        return divergence.sum() if self._first.reduction == "sum" else divergence.sum() / valid.sum().clamp_min(1)
