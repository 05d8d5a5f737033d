"""Losses of C yes-or-no decisions a sample, one logit each: for labels that go together, and for single ones."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss, can_look, require_labels, require_tensor


class OneVsRestLoss(ClassificationLoss):
    """sum_c w_c * ( q_c * positive(z_c) + (1 - q_c) * negative(z_c) ), on sigmoids.

    The target of a sample says of every class whether it has it: 0 or 1 each (any type), or a probability. A class
    index is taken as the one class that a sample has. Predict with the plain logits: the largest, or those above 0.
    """

    option_names = SHARED_OPTION_NAMES
    is_softmax = False
    several_labels = True

    @abstractmethod
    def terms(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Loss (B, C) of a class that the sample has, and of one that it has not."""

    def see(self, logits: Tensor, target: Tensor, counted: Tensor) -> None:
        """Look at a batch whose terms have been computed, for losses that gather statistics; by default nothing.

        ``target`` is (B, C), ``counted`` (B, C) or (B, 1): what is not ignored.
        """

    def inference_logits(self, logits: Tensor) -> Tensor:
        """The logarithms of the sigmoids: softmax then gives each class its share of their sum."""
        return F.logsigmoid(logits)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            logits: (B, C), or (B,) of one class; half precision is computed in float32.
            target: of the shape of the logits, 0 or 1 of any type or probabilities; or (B,) class indices. A sample
                whose class index is ``ignore_index`` counts for nothing, nor does an entry that is.

        Returns:
            The mean over the samples, each the sum of its classes; or as ``reduction`` says.

        Raises:
            TypeError: logits or target are not tensors.
            ValueError: the shapes do not fit together, or an entry is not from 0 to 1.
            IndexError: a class index is not in 0 .. C-1 and not ``ignore_index``.
        """
        logits, target, counted = self._read(logits, target)
        self.match_classes(logits.shape[1], logits.device)
        positive, negative = self.terms(logits)
        self.see(logits, target, counted)
        each = target * positive + (1 - target) * negative
        if self.weight is not None:
            each = each * self.weight.to(each)
        loss = each.masked_fill(~counted, 0.0).sum(dim=1)
        valid = counted.any(dim=1)
        if self.reduction == "none":
            return loss
        return loss.sum() if self.reduction == "sum" else loss.sum() / valid.sum().clamp_min(1)

    def divisor(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """The number of samples that are not ignored, at least 1."""
        valid = target != self.ignore_index
        return (valid if target.ndim == 1 else valid.any(dim=1)).sum().clamp_min(1).to(dtype)

    def _read(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits and target (B, C) of one floating type, and what of it is not ignored, (B, C) or (B, 1)."""
        require_tensor("logits", logits)
        require_tensor("target", target)
        if logits.ndim not in (1, 2) or not logits.is_floating_point():
            raise ValueError(
                f"logits must be floating (B, C) or (B,), got {logits.dtype} of shape {tuple(logits.shape)}"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        if target.shape == logits.shape or (logits.shape[1:] in ((), (1,)) and target.numel() == len(logits)):
            columns = logits.unsqueeze(1) if logits.ndim == 1 else logits
            target = target.reshape(columns.shape)
            counted = target != self.ignore_index
            wanted = target.to(logits.dtype).masked_fill(~counted, 0.0)
            if can_look(wanted) and not ((wanted >= 0) & (wanted <= 1)).all():
                wrong = wanted[(wanted < 0) | (wanted > 1)][0].item()
                raise ValueError(f"target must say of every class 0, 1 or a probability between, got {wrong:g}")
            return columns, wanted, counted
        if (
            logits.ndim != 2
            or target.shape != logits.shape[:1]
            or target.is_floating_point()
            or target.dtype is torch.bool
        ):
            raise ValueError(
                f"target must have the shape of the logits, {tuple(logits.shape)}, or be {len(logits)} class indices, "
                f"got {target.dtype} of shape {tuple(target.shape)}"
            )
        valid = target != self.ignore_index
        label = target.long().masked_fill(~valid, 0)
        require_labels(label, logits.shape[1])
        return logits, F.one_hot(label, logits.shape[1]).to(logits.dtype), valid.unsqueeze(1)
