"""Losses of C yes-or-no decisions a sample, one logit each: for labels that go together, and for single ones."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tailwise.losses._base import SHARED_OPTION_NAMES, ClassificationLoss
from tailwise.losses._checks import can_look, require_labels, require_tensor
from tailwise.losses._fused import PLAIN, Met
from tailwise.losses._fused_decisions import (
    DecisionFormula,
    PreparedDecisions,
    can_fuse_decisions,
    can_fuse_labels,
    fused_decisions,
)


class OneVsRestLoss(ClassificationLoss):
    """sum_c w_c * ( q_c * positive(z_c) + (1 - q_c) * negative(z_c) ), on sigmoids.

    The target of a sample says of every class whether it has it: 0 or 1 each (any type), or a probability. A class
    index is taken as the one class that a sample has. Predict with the plain logits: the largest, or those above 0.
    """

    option_names = SHARED_OPTION_NAMES
    is_softmax = False
    several_labels = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        """As of any loss: who overrides the terms does not inherit a formula in numbers."""
        super().__init_subclass__(**arguments)
        own = cls.__dict__.keys()
        if "terms" in own and "decision_formula" not in own:
            cls.decision_formula = OneVsRestLoss.decision_formula  # type: ignore[method-assign]

    @abstractmethod
    def terms(self, logits: Tensor, met: Met) -> tuple[Tensor, Tensor]:
        """Loss (B, C) of a class that the sample has, and of one that it has not.

        ``met`` is what the compiled loop was given with the batch, for the gradient of its gradient; else it is empty.
        """

    def decision_formula(self) -> DecisionFormula | None:
        """The same in numbers, for the compiled loop; None leaves it to tensor operations."""
        return None

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
        fusable = can_fuse_labels(logits, target) and logits.shape[1] != 1
        if not fusable:
            logits, target = self._columns(logits, target)
            fusable = can_fuse_decisions(logits, target)
        if fusable and (prepared := self.prepared(logits.shape[1], logits.device)) is not None:
            assert isinstance(prepared, PreparedDecisions)
            return fused_decisions(self, logits, target, prepared)
        self.match_classes(logits.shape[1], logits.device)
        target, counted = self._entries(logits, target)
        loss = self._reduced_terms(logits, target, counted)
        self.see(logits, target, counted)
        return loss

    def prepare(self, num_classes: int) -> PreparedDecisions | None:
        """See ``ClassificationLoss``."""
        formula = self.decision_formula()
        return None if formula is None else PreparedDecisions(self, num_classes, formula)

    def recomputed(self, logits: Tensor, target: Tensor, met: Met) -> Tensor:
        """The loss with the exponents that the compiled loop took."""
        return self._reduced_terms(logits, *self._entries(logits, target), met)

    def _reduced_terms(self, logits: Tensor, target: Tensor, counted: Tensor, met: Met = PLAIN) -> Tensor:
        positive, negative = self.terms(logits, met)
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

    def _columns(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) of at least single precision, and target (B,) or (B, C)."""
        require_tensor("logits", logits)
        require_tensor("target", target)
        if logits.ndim == 2 and logits.shape == target.shape and logits.dtype in (torch.float32, torch.float64):
            return logits, target
        if logits.ndim not in (1, 2) or not logits.is_floating_point():
            raise ValueError(
                f"logits must be floating (B, C) or (B,), got {logits.dtype} of shape {tuple(logits.shape)}"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        if target.shape == logits.shape or (logits.shape[1:] in ((), (1,)) and target.numel() == len(logits)):
            columns = logits.unsqueeze(1) if logits.ndim == 1 else logits
            return columns, target.reshape(columns.shape)
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
        return logits, target

    def _entries(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Target (B, C) of the type of the logits, and what of it is not ignored, (B, C) or (B, 1)."""
        counted = target != self.ignore_index
        if target.ndim == 2:
            wanted = target.to(logits.dtype).masked_fill(~counted, 0.0)
            if can_look(wanted) and not ((wanted >= 0) & (wanted <= 1)).all():
                wrong = wanted[~((wanted >= 0) & (wanted <= 1))][0].item()
                raise ValueError(f"target must say of every class 0, 1 or a probability between, got {wrong:g}")
            return wanted, counted
        label = target.long().masked_fill(~counted, 0)
        require_labels(label, logits.shape[1])
        return F.one_hot(label, logits.shape[1]).to(logits.dtype), counted.unsqueeze(1)
