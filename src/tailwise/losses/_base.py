"""The contract every classification loss keeps, so that a loss's own file holds only its formula."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypedDict, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self, Unpack

from tailwise.counts import ClassCounts, CountsLike
from tailwise.hyperparameters import in_range, one_of, whole_number
from tailwise.losses._checks import check_logits, check_target, per_class_factors, two_classes
from tailwise.losses._fused import PLAIN, Kept, Met, Prepared, RegionFormula, RowFormula, can_fuse, fused_loss

Reduction = Literal["mean", "sum", "none"]
Variant = Literal["published", "released"]
"""Of a loss whose authors' code departs from their formula."""


class SharedOptions(TypedDict, total=False):
    """Keyword arguments that every loss takes, as in ``torch.nn.CrossEntropyLoss``.

    weight: (C,) factor of each class's term; default none.
    ignore_index: hard target whose samples count for nothing; default -100.
    reduction: "mean" (hard targets: divided by the sum of the targets' weights, soft targets: by B), "sum" or "none".
    """

    weight: Tensor | Sequence[float] | None
    ignore_index: int
    reduction: Reduction


class LossOptions(SharedOptions, total=False):
    """``SharedOptions``, and label smoothing for the losses that do not set a value of their own.

    label_smoothing: eps in [0, 1]: the target becomes (1 - eps) * target + eps / C; default 0.
    """

    label_smoothing: float


SHARED_OPTION_NAMES = ("weight", "ignore_index", "reduction")
OPTION_DEFAULTS = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean"}
MAX_SHOWN_CLASSES = 10
FORMULAS = {
    *("target_term", "other_term", "adjusted", "smoothing", "observe", "margins", "score", "class_term"),
    *("log_weights", "regularizer"),
}
"""Methods that say what a loss computes by tensor operations."""


class ClassificationLoss(nn.Module):
    """A loss of the form ``sum_j q_j * term_j`` of class log-probabilities, q the (smoothed) target distribution.

    A subclass gives its formula in ``target_term``; where the published loss treats the classes a sample does not
    belong to in another way, also in ``other_term``; where it changes the logits first, in ``adjusted``. Both terms are
    elementwise in the log-probability, which makes a hard target cost O(B) beyond one log-softmax.

    ``class_counts`` is an int64 buffer, which ``.half()`` and ``.to(bfloat16)`` leave exact; constants computed from it
    are rebuilt in ``derive`` after every move or load.

    Args:
        class_counts: (C,) training counts, where the loss depends on them.
        **options: see ``LossOptions``.

    Raises:
        ValueError: an option is out of its range, ``class_counts`` is None where the loss cannot do without, or
            ``weight`` and ``class_counts`` disagree about C.
    """

    weight: Tensor | None
    class_counts: Tensor | None
    option_names: ClassVar[tuple[str, ...]] = tuple(OPTION_DEFAULTS)
    _prepared: Kept | None = None
    for_cosines: ClassVar[bool] = False
    """Whether the loss scales its logits, so that they are to be cosines."""
    sums_samples: ClassVar[bool] = True
    """Whether a batch's loss is the sum or mean of what each of its samples gives alone."""
    is_softmax: ClassVar[bool] = True
    """Whether it depends on the differences of a sample's logits alone."""
    needs_features: ClassVar[bool] = False
    """Whether ``forward`` takes what the last layer was given, (B, F), as a third argument."""
    several_labels: ClassVar[bool] = False
    """Whether a target may say yes or no of every class, in place of one class."""
    gathered: ClassVar[tuple[str, ...]] = ()
    """Buffers of sums over training, which never move to a lower precision: they would stop growing there."""

    def __init__(self, class_counts: CountsLike | None = None, **options: Unpack[LossOptions]) -> None:
        super().__init__()
        unknown = set(options) - set(self.option_names)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}")
        if class_counts is None and self.counts_use() == "needed":
            raise ValueError(
                f"{type(self).__name__} needs class_counts, got None; give the number of training samples of each class"
            )
        weight = options.get("weight")
        self.register_buffer("weight", None if weight is None else per_class_factors("weight", weight))
        self.register_buffer("class_counts", None if class_counts is None else ClassCounts(class_counts).tensor())
        self.ignore_index = whole_number("ignore_index", options.get("ignore_index", -100))
        self.label_smoothing = in_range("label_smoothing", options.get("label_smoothing", 0.0), at_least=0, at_most=1)
        self.reduction: Reduction = options.get("reduction", "mean")
        one_of("reduction", self.reduction, get_args(Reduction))

    @classmethod
    def counts_use(cls) -> Literal["needed", "optional", "-"]:
        """How the loss takes ``class_counts``; "-" is not at all."""
        parameter = inspect.signature(cls).parameters.get("class_counts")
        if parameter is None:
            return "-"
        return "needed" if parameter.default is inspect.Parameter.empty else "optional"

    def extra_repr(self) -> str:
        """The loss's own keyword arguments, then the options that are not at their default; None is left out."""
        own = [name for name in inspect.signature(type(self)).parameters if name != "options"]
        defaults = {name: default for name, default in OPTION_DEFAULTS.items() if name not in own}
        settings = {name: getattr(self, name, None) for name in (*own, *defaults)}
        return ", ".join(
            f"{name}={_brief(value)}"
            for name, value in settings.items()
            if value is not None and (defaults.get(name) is None or value != defaults[name])
        )

    def target_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """Loss of samples of class ``label`` whose class has log-probability ``log_p``; shapes broadcast."""
        raise TypeError(f"{type(self).__name__} gives no formula: override target_term")

    def other_term(self, log_p: Tensor, label: Tensor) -> Tensor:
        """The same for a class the sample does not belong to but smoothing gives weight; by default no different."""
        return self.target_term(log_p, label)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """A class with a formula of its own does not inherit one in numbers: what it overrides would be ignored."""
        super().__init_subclass__(**arguments)
        own = cls.__dict__.keys()
        if own & FORMULAS and not own & {"row_formula", "region_formula"}:
            cls.row_formula = ClassificationLoss.row_formula  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        """All but the addresses that the compiled loop is given, which a copy has not."""
        return {name: value for name, value in self.__dict__.items() if name != "_prepared"}

    def _forget(self) -> None:
        self.__dict__["_prepared"] = None

    def row_formula(self) -> RowFormula | None:
        """The same formula in numbers, for the compiled loop over hard targets; None leaves it to tensor operations."""
        return None

    def smoothing(self, label: Tensor, dtype: torch.dtype) -> float | Tensor:
        """eps of samples of class ``label``, of ``dtype`` if it is a tensor; by default ``label_smoothing`` for all."""
        return self.label_smoothing

    def adjusted(self, logits: Tensor) -> Tensor:
        """The logits that the softmax sees."""
        return logits

    def inference_logits(self, logits: Tensor) -> Tensor:
        """The logits to predict with, whose softmax are the probabilities: those given, unless the loss scales them."""
        return logits

    def observe(self, log_p: Tensor, label: Tensor, share: Tensor, divisor: Tensor) -> None:
        """See a batch before its loss is returned, for losses that gather statistics.

        ``log_p`` and ``label`` as for ``target_term``; ``share``, of the shape of ``log_p``, is the weight of each term
        in the sum, 0 where ignored; ``divisor`` is what the mean divides the sum by, 0 if all are ignored.
        """

    def derive(self) -> None:
        """Recompute the per-class constants that follow from ``class_counts``."""

    def match_classes(self, num_classes: int, device: torch.device) -> None:
        """Refuse logits with another number of classes than the buffers have."""
        for name, buffer in self._buffers.items():
            if buffer is not None and buffer.ndim == 1 and len(buffer) != num_classes:
                raise ValueError(
                    f"logits have {num_classes} classes but {name} of {type(self).__name__} has {len(buffer)}: "
                    "give one entry per column of the logits"
                )

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Args:
            logits: (B, C), floating; half precision is computed in float32. Loss and gradient are finite for sizes up
                to 1e30; beyond, a difference of two logits or the sum over the batch may overflow float32. One logit
                z a sample, (B,) or (B, 1), is that of class 1 of two: p_1 = sigmoid(z), as of the logits (0, z).
            target: (B,) class indices, or (B, C) class probabilities (mixup, CutMix, label smoothing from anywhere). Of
                one logit (B,) or (B, 1): 0 or 1 of any type, or the probability of class 1.

        Returns:
            A scalar, or (B,) with ``reduction="none"`` (0 where ignored). The mean of a batch in which no sample
            counts, being ignored or of a class of weight 0, is 0.

        Raises:
            TypeError: logits or target are not tensors.
            ValueError: the shapes or types do not fit together.
            IndexError: a class index is not in 0 .. C-1 and not ``ignore_index``.
        """
        fusable = can_fuse(logits, target) and logits.shape[1] != 1
        if not fusable:
            if isinstance(logits, Tensor) and isinstance(target, Tensor) and logits.shape[1:] in ((), (1,)):
                logits, target = two_classes(logits, target, self.ignore_index)
            check_logits(logits)
            check_target(target, logits.shape)
            if logits.dtype in (torch.float16, torch.bfloat16):
                logits = logits.float()
            if not target.is_floating_point():
                target = target.long()
            fusable = can_fuse(logits, target)
        if fusable and (prepared := self.prepared(logits.shape[1], logits.device)) is not None:
            assert isinstance(prepared, Prepared)
            return fused_loss(self, logits, target, prepared)
        self.match_classes(logits.shape[1], logits.device)
        return self.by_operations(logits, target)

    def prepared(self, num_classes: int, device: torch.device) -> Kept | None:
        """What the compiled loop is given, kept until an attribute is set or a constant written to."""
        kept = self._prepared
        if kept is None or not kept.holds_for(num_classes):
            self.match_classes(num_classes, device)
            kept = self.__dict__["_prepared"] = self.prepare(num_classes)
        return kept

    def prepare(self, num_classes: int) -> Kept | None:
        """What the compiled loop is given, made anew; None where there is no formula in numbers."""
        formula = self.row_formula()
        return None if formula is None else Prepared(self, num_classes, formula, self.region_formula())

    def region_formula(self) -> RegionFormula | None:
        """The part of the formula that is of a whole batch."""
        return None

    def by_operations(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of a checked batch by tensor operations."""
        logits = self.adjusted(logits)
        target = target.to(logits.dtype) if target.is_floating_point() else target
        return self._reduced(logits, target, None if self.weight is None else self.weight.to(logits))

    def meet(self, target: Tensor, num_classes: int) -> Met:
        """What the compiled loop is given with a batch, for losses that depend on more than logits and targets."""
        return PLAIN

    def recomputed(self, logits: Tensor, target: Tensor, met: Met) -> Tensor:
        """The loss of a batch that the compiled loop has seen, and what it met, for the gradient of its gradient."""
        return self.by_operations(logits, target)

    def gather(self, received: Tensor) -> None:
        """See, from the compiled loop, a batch that other processes have parts of, for losses with a state.

        ``received`` is (C + 1,): sum_i w_y * (1 - p_y) by label, and last what the mean divides by.
        """

    def _reduced(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The loss of a batch of adjusted logits."""
        of_target = self._of_soft_target if target.is_floating_point() else self._of_hard_target
        loss = of_target(logits, target, weight)
        if self.reduction == "none":
            return loss
        return loss.sum() if self.reduction == "sum" else loss.sum() / self.divisor(target, loss.dtype)

    def divisor(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """What the mean divides the sum of the samples' losses by; infinity, for a mean of 0, where none counts."""
        weight = None if self.weight is None else self.weight.to(target.device, dtype)
        return countable(self._shares(target, weight, dtype).sum())

    def _shares(self, target: Tensor, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
        """(B,) what each sample counts in the mean: 1 or, of a hard target, its class's weight, and 0 where ignored."""
        if target.is_floating_point():
            return target.new_ones(len(target), dtype=dtype)
        valid = target != self.ignore_index
        share = valid.to(dtype)
        return share if weight is None else share * weight[target.masked_fill(~valid, 0)]

    def _of_hard_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Loss of each sample of adjusted logits."""
        label = target.masked_fill(target == self.ignore_index, 0)
        log_prob = F.log_softmax(logits, dim=1)
        log_p = -F.nll_loss(log_prob, target, ignore_index=self.ignore_index, reduction="none")
        share = self._shares(target, weight, log_p.dtype)
        self.observe(log_p, label, share, share.sum())
        eps = self.smoothing(label, log_p.dtype)
        smoothed = isinstance(eps, Tensor) or eps > 0
        other_sum = self._other_terms(log_prob, weight).sum(dim=1) if smoothed else None
        return self.of_log_p(log_p, target, weight, other_sum, log_prob.shape[1])

    def of_log_p(
        self, log_p: Tensor, target: Tensor, weight: Tensor | None, other_sum: Tensor | None, num_classes: int
    ) -> Tensor:
        """Loss of each sample of class ``target`` whose class has log-probability ``log_p``; (B,) all.

        ``other_sum`` is the sum over all classes of the terms that smoothing gives weight, None without smoothing.
        """
        valid = target != self.ignore_index
        label = target.masked_fill(~valid, 0)
        own_weight = 1.0 if weight is None else weight[label]
        loss = self.target_term(log_p, label) * own_weight
        if other_sum is not None:
            eps = self.smoothing(label, log_p.dtype)
            others = other_sum - self.other_term(log_p, label) * own_weight
            loss = (1 - eps + eps / num_classes) * loss + eps / num_classes * others
        return loss.masked_fill(~valid, 0.0)

    def _of_soft_target(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Loss of each sample of adjusted logits: the loss of every class, mixed as the target mixes them."""
        log_prob = F.log_softmax(logits, dim=1)
        per_class = self._per_class(log_prob, target, weight)
        num_classes = log_prob.shape[1]
        eps = self.smoothing(torch.arange(num_classes, device=log_prob.device), log_prob.dtype)
        if not isinstance(eps, Tensor) and eps == 0:
            return (target * per_class).sum(dim=1)
        other = self._other_terms(log_prob, weight)
        per_class = (1 - eps + eps / num_classes) * per_class - eps / num_classes * other
        spread = (target * eps).sum(dim=1) if isinstance(eps, Tensor) else eps
        return (target * per_class).sum(dim=1) + spread / num_classes * other.sum(dim=1)

    def _per_class(
        self, log_prob: Tensor, target: Tensor, weight: Tensor | None, divisor: Tensor | None = None
    ) -> Tensor:
        """Loss (B, C) that each sample would have with each class as its label; the mean divides by B by default."""
        label = torch.arange(log_prob.shape[1], device=log_prob.device)
        share = target if weight is None else target * weight
        self.observe(log_prob, label, share, share.new_tensor(float(len(share))) if divisor is None else divisor)
        per_class = self.target_term(log_prob, label)
        return per_class if weight is None else per_class * weight

    def _other_terms(self, log_prob: Tensor, weight: Tensor | None) -> Tensor:
        other = self.other_term(log_prob, torch.arange(log_prob.shape[1], device=log_prob.device))
        return other if weight is None else other * weight

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        exact = {name: buffer for name in self.gathered if (buffer := getattr(self, name)) is not None}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in exact.items():
            setattr(self, name, buffer.to(getattr(self, name).device))
        self.derive()
        self._forget()
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.derive()
        self._forget()


def one_minus_exp(log_p: Tensor) -> Tensor:
    """1 - p from log p: exact near p = 1, at least machine epsilon, so that no power of it has an infinite slope."""
    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).eps)


def countable(divisor: Tensor) -> Tensor:
    """A sum of shares to divide by; infinity in place of 0, for smoothing leaves terms even where no share does."""
    return torch.where(divisor >= torch.finfo(divisor.dtype).tiny, divisor, torch.inf)


def exact_precision() -> torch.dtype:
    """The best precision in which a buffer can be moved to any device there is (MPS has no float64)."""
    return torch.float32 if torch.backends.mps.is_available() else torch.float64


def double_precision(constants: Tensor) -> Tensor:
    """Counts or other constants as floats of the best precision that their device has (MPS has no float64)."""
    return constants.to(torch.float32 if constants.device.type == "mps" else torch.float64)


def _brief(setting: Any) -> str:
    """A setting as Python writes it, or how many classes it has where they would not fit on a line."""
    if isinstance(setting, Tensor) and setting.ndim == 0:
        return f"{setting.item():.6g}"
    if isinstance(setting, (Tensor, list)) and len(setting) > MAX_SHOWN_CLASSES:
        return f"<{len(setting)} classes>"
    if isinstance(setting, Tensor):
        setting = [float(f"{factor:.6g}") if isinstance(factor, float) else factor for factor in setting.tolist()]
    return repr(setting)
