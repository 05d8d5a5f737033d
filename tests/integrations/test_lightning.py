"""The callback in Lightning's own Trainer, of both packages: epochs, resumption, two processes, samplers."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lightning_module import COUNTS, QUIET, Digits, WritingDigits, loader, module_class, phased_sampler
from tailwise.integrations.lightning import ScheduleCallback
from tailwise.losses import BalancedSoftmaxLoss, CrossEntropyLoss, CyclicalFocalLoss, FocalLoss, MultiExpertLoss
from tailwise.mixing import phased_mixup
from tailwise.schedules import DeferredReweighting, PhasedProgressiveMixing, PhasedProgressiveWeights

EPOCHS = 4
SCHEDULE = DeferredReweighting(COUNTS, start=2)
STEPS = len(loader())


def weights_by_epoch(module: Any) -> dict[int, list[list[float]]]:
    """The distinct class weights of the steps of each epoch."""
    found: dict[int, list[list[float]]] = {}
    for step in module.seen:
        of_epoch = found.setdefault(step["epoch"], [])
        if step["weight"] not in of_epoch:
            of_epoch.append(step["weight"])
    return found


def scheduled(epoch: int) -> list[float]:
    weights: list[float] = SCHEDULE(epoch).float().tolist()
    return weights


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
@pytest.mark.parametrize("criterion", [FocalLoss(), nn.CrossEntropyLoss()], ids=["tailwise", "torch"])
def test_loss_has_the_class_weights_of_the_epoch_in_every_step(package: str, criterion: nn.Module) -> None:
    module = module_class(package)(criterion)
    trainer = importlib.import_module(package).Trainer(
        max_epochs=EPOCHS, enable_checkpointing=False, callbacks=[ScheduleCallback(SCHEDULE, "criterion")], **QUIET
    )
    trainer.fit(module, loader())
    assert weights_by_epoch(module) == {epoch: [scheduled(epoch)] for epoch in range(EPOCHS)}


def test_callback_is_of_the_package_that_is_in_use() -> None:
    script = (
        "import sys, pytorch_lightning\n"
        "from tailwise.integrations.lightning import ScheduleCallback\n"
        "print(issubclass(ScheduleCallback, pytorch_lightning.Callback), 'lightning.pytorch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_without_lightning_one_line_names_the_extra() -> None:
    script = (
        "import sys\nfor name in ('lightning', 'lightning.pytorch', 'pytorch_lightning'): sys.modules[name] = None\n"
        "import tailwise.integrations.lightning"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "install it with `pip install 'tailwise[lightning]'`" in done.stderr.splitlines()[-1]


def test_loss_that_goes_by_the_epoch_is_told_it() -> None:
    module = Digits(CyclicalFocalLoss(epochs=EPOCHS))
    Trainer(max_epochs=EPOCHS, enable_checkpointing=False, callbacks=[ScheduleCallback()], **QUIET).fit(
        module, loader()
    )
    alone = CyclicalFocalLoss(epochs=EPOCHS)
    expected = []
    for epoch in range(EPOCHS):
        alone.set_epoch(epoch)
        expected += [alone.eta.item()] * STEPS
    assert [step["eta"] for step in module.seen] == expected


def trained(folder: Path, epochs: int, every: int, resume: Path | None = None) -> Any:
    """A module trained for so many epochs, with a checkpoint every so many steps."""
    module = Digits(FocalLoss())
    checkpoints = ModelCheckpoint(folder, "{step}", every_n_train_steps=every, save_top_k=-1)
    weights = PhasedProgressiveWeights(COUNTS, 0, EPOCHS - 1)
    trainer = Trainer(max_epochs=epochs, callbacks=[ScheduleCallback(weights), checkpoints], **QUIET)
    trainer.fit(module, loader(phased_sampler(EPOCHS)), ckpt_path=resume)
    return module


def test_resumed_training_ends_with_the_same_weights_as_an_undisturbed_one(tmp_path: Path) -> None:
    through = trained(tmp_path / "through", EPOCHS, STEPS)
    trained(tmp_path / "first", 2, STEPS)
    resumed = trained(tmp_path / "second", EPOCHS, STEPS, tmp_path / f"first/step={2 * STEPS}.ckpt")
    assert [step["epoch"] for step in resumed.seen] == [2] * STEPS + [3] * STEPS
    assert resumed.seen == through.seen[2 * STEPS :]
    for name, tensor in through.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_training_resumed_within_an_epoch_has_the_class_weights_of_that_epoch_at_once(tmp_path: Path) -> None:
    through = trained(tmp_path / "through", EPOCHS, STEPS + 2)
    resumed = trained(tmp_path / "second", EPOCHS, 1000, tmp_path / f"through/step={2 * (STEPS + 2)}.ckpt")
    assert resumed.seen[0]["epoch"] == 2
    assert weights_by_epoch(resumed) == {epoch: weights_by_epoch(through)[epoch] for epoch in (2, 3)}


def test_checkpoint_holds_no_class_weights_and_loads_into_a_module_without_the_callback(tmp_path: Path) -> None:
    trained(tmp_path, 1, STEPS)
    module = Digits.load_from_checkpoint(tmp_path / f"step={STEPS}.ckpt", criterion=FocalLoss())
    assert not [name for name in module.state_dict() if name.startswith("criterion")]


def test_module_is_trained_again_by_another_trainer() -> None:
    module = Digits(FocalLoss())
    for _ in range(2):
        callback = ScheduleCallback(SCHEDULE)
        Trainer(max_epochs=3, enable_checkpointing=False, callbacks=[callback], **QUIET).fit(module, loader())
    assert weights_by_epoch(module) == {epoch: [scheduled(epoch)] for epoch in range(3)}


def test_sampler_is_told_the_epoch_by_the_trainer_itself() -> None:
    module = Digits(CrossEntropyLoss())
    sampler = phased_sampler(3)
    Trainer(max_epochs=3, enable_checkpointing=False, **QUIET).fit(module, loader(sampler))
    alone = phased_sampler(3)
    for epoch in range(3):
        alone.set_epoch(epoch)
        drawn = [row for step in module.seen if step["epoch"] == epoch for row in step["rows"]]
        assert drawn == list(alone)


def test_two_processes_share_one_draw_and_have_the_same_class_weights(tmp_path: Path) -> None:
    module = WritingDigits(BalancedSoftmaxLoss(COUNTS), tmp_path)
    trainer = Trainer(
        max_epochs=3,
        devices=2,
        strategy="ddp_spawn",
        use_distributed_sampler=True,
        enable_checkpointing=False,
        callbacks=[ScheduleCallback(SCHEDULE)],
        **QUIET,
    )
    trainer.fit(module, loader(phased_sampler(3)))
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    alone = phased_sampler(3)
    for epoch in range(3):
        alone.set_epoch(epoch)
        first, second = ([row for step in own if step["epoch"] == epoch for row in step["rows"]] for own in seen)
        together = [row for turn in zip(first, second, strict=True) for row in turn]
        assert together[: len(alone)] == list(alone)
        assert all(step["weight"] == scheduled(epoch) for own in seen for step in own if step["epoch"] == epoch)


def test_phased_mixing_needs_no_more_than_the_epoch_of_the_module() -> None:
    schedule = PhasedProgressiveMixing(start=0, end=1)
    epochs = []

    class Mixed(Digits):  # type: ignore[misc, valid-type]
        def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
            inputs, targets = phased_mixup(*batch[:2], COUNTS, schedule, epoch=self.current_epoch)
            epochs.append(self.current_epoch)
            loss: torch.Tensor = self.criterion(self.network(inputs), targets)
            return loss

    Trainer(max_epochs=2, enable_checkpointing=False, **QUIET).fit(Mixed(BalancedSoftmaxLoss(COUNTS)), loader())
    assert epochs == [0] * STEPS + [1] * STEPS


def test_loss_of_experts_is_one_loss_and_every_experts_is_weighted() -> None:
    loss = MultiExpertLoss(CrossEntropyLoss(), 2, COUNTS)
    module = LightningModule()
    module.criterion = loss
    callback = ScheduleCallback(SCHEDULE)
    callback.setup(Trainer(max_epochs=3, **QUIET), module, "fit")
    callback.on_train_epoch_start(_At(2), module)
    assert all(expert.weight.tolist() == scheduled(2) for expert in loss.losses)


class _At:
    def __init__(self, epoch: int) -> None:
        self.current_epoch = epoch


@pytest.mark.parametrize(
    ("criterion", "callback", "message"),
    [
        (nn.CrossEntropyLoss(), ScheduleCallback(SCHEDULE), "Digits has 0 losses of tailwise; name the attribute"),
        (
            nn.ModuleList([FocalLoss(), CrossEntropyLoss()]),
            ScheduleCallback(SCHEDULE),
            r"Digits has 2 losses of tailwise, criterion\.0, criterion\.1; name",
        ),
        (FocalLoss(), ScheduleCallback(SCHEDULE, "loss"), "criterion='loss': Digits has no such module"),
        (FocalLoss(weight=[1.0] * 10), ScheduleCallback(SCHEDULE), "FocalLoss has a weight of its own"),
        (CyclicalFocalLoss(epochs=7), ScheduleCallback(), "made for 7 epochs, but max_epochs is 3"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_when_training_begins(
    criterion: nn.Module, callback: ScheduleCallback, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Trainer(max_epochs=3, enable_checkpointing=False, callbacks=[callback], **QUIET).fit(
            Digits(criterion), loader()
        )
