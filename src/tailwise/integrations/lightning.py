"""A Lightning callback: class weights that change over the epochs, and losses that are told the epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tailwise.integrations._epochs import begin_epoch, keep_weights_out_of_state_dict
from tailwise.losses import ClassificationLoss, MultiExpertLoss

# A Trainer of either package takes callbacks of the other in a list, but not alone: follow the one that is in use.
if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning.callbacks import Callback
else:
    try:
        from lightning.pytorch.callbacks import Callback
    except ModuleNotFoundError:
        try:
            from pytorch_lightning.callbacks import Callback
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "tailwise.integrations.lightning needs Lightning; install it with `pip install 'tailwise[lightning]'`"
            ) from error


class ScheduleCallback(Callback):  # type: ignore[misc]  # optional, so not looked into
    """When an epoch begins, gives the loss of a ``LightningModule`` its class weights and tells it the epoch.

    Works in the ``Trainer`` of ``lightning.pytorch`` and of ``pytorch_lightning``. Everything follows from the epoch
    alone, so there is nothing to save: a training that is resumed from a checkpoint, also from the middle of an epoch,
    goes on as it would have. The weights that it sets are kept out of the module's checkpoints.

    Samplers need no callback: Lightning tells those of the library the epoch itself, and leaves them in place whatever
    ``use_distributed_sampler`` says. Nor does phased mixing: call ``phased_mixup`` with ``epoch=self.current_epoch``.

    Args:
        class_weights: a schedule, epoch -> (C,): ``DeferredReweighting`` (DRW), ``PhasedProgressiveWeights`` (PPW) or
            any function. None leaves the weights alone, for losses that are told the epoch alone (cyclical focal).
        criterion: where the loss is, as in ``"criterion"`` for ``self.criterion``; it may be one of torch's with a
            ``weight``. By default the one loss of this library that the module has.

    Raises:
        ValueError: when the training begins, the module has no such loss, or several; the loss has weights of its own;
            or it is made for another number of epochs than the ``Trainer``'s ``max_epochs``.
    """

    def __init__(self, class_weights: Callable[[int], Tensor] | None = None, criterion: str | None = None) -> None:
        self.class_weights = class_weights
        self.criterion = criterion

    def setup(self, trainer: Any, pl_module: nn.Module, stage: str) -> None:
        """Look at the loss before a checkpoint is restored into it."""
        if stage != "fit":
            return
        criterion = self._find(pl_module)
        epochs = getattr(criterion, "epochs", None)
        if epochs is not None and epochs != trainer.max_epochs:
            raise ValueError(
                f"{type(criterion).__name__} is made for {epochs} epochs, but max_epochs is {trainer.max_epochs}; make "
                "them equal"
            )
        if self.class_weights is not None:
            keep_weights_out_of_state_dict(criterion)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """The epoch in whose middle a training is resumed: Lightning does not begin it a second time."""
        begin_epoch(self._find(pl_module), trainer.current_epoch, self.class_weights, pl_module.device)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Every other epoch."""
        begin_epoch(self._find(pl_module), trainer.current_epoch, self.class_weights, pl_module.device)

    def _find(self, pl_module: nn.Module) -> nn.Module:
        if self.criterion is not None:
            try:
                return pl_module.get_submodule(self.criterion)
            except AttributeError as error:
                raise ValueError(
                    f"criterion={self.criterion!r}: {type(pl_module).__name__} has no such module; give the name of "
                    "the attribute that holds the loss"
                ) from error
        kinds = (ClassificationLoss, MultiExpertLoss)
        found = {name: module for name, module in pl_module.named_modules() if isinstance(module, kinds)}
        # The loss within another one is told by that one.
        outer = {name for name in found if not any(name.startswith(f"{other}.") for other in found)}
        if len(outer) != 1:
            raise ValueError(
                f"{type(pl_module).__name__} has {len(outer)} losses of tailwise"
                + (f", {', '.join(sorted(outer))}" if outer else "")
                + "; name the attribute that holds the one to schedule, as in criterion='criterion'"
            )
        return found[outer.pop()]
