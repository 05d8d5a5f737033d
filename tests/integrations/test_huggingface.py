"""The hooks in the real ``Trainer`` of transformers, with small models made from their configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from transformers import (
    BertConfig,
    BertForTokenClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.integrations.huggingface import ComputeLoss, ScheduleCallback, WithTrainSampler
from tailwise.losses import (
    BalancedSoftmaxLoss,
    CrossEntropyLoss,
    CyclicalFocalLoss,
    FocalLoss,
    GALALoss,
    LogitAdjustedLoss,
)
from tailwise.sampling import RebalancedSampler
from tailwise.schedules import DeferredReweighting, PhasedProgressiveSampling

COUNTS = exponential_counts(10, 40, 8)


def digits() -> list[dict[str, Any]]:
    """Long-tailed digits as the Trainer takes them."""
    found = load_digits()
    rows = subset_indices(found.target, COUNTS, seed=0)
    images = torch.from_numpy(found.images[rows]).float().unsqueeze(1) / 16
    return [
        {"pixel_values": image, "labels": int(label)} for image, label in zip(images, found.target[rows], strict=True)
    ]


def vision_model() -> ViTForImageClassification:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = ViTConfig(image_size=8, patch_size=4, num_channels=1, num_attention_heads=1, num_labels=10, **sizes)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    return ViTForImageClassification(config)


def arguments(folder: Path, **chosen: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "learning_rate": 1e-2,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 32,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "remove_unused_columns": False,
        "optim": "sgd",
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
    }
    return TrainingArguments(str(folder), **settings | chosen)


class TrainerWithSampler(WithTrainSampler, Trainer):
    """As one writes it oneself."""


def parameters_after(folder: Path, criterion: nn.Module, callbacks: Any = (), **chosen: Any) -> list[torch.Tensor]:
    """Of a model that was trained on the digits in their order."""
    model = vision_model()
    trainer = TrainerWithSampler(
        model,
        arguments(folder, **chosen),
        train_dataset=digits(),
        compute_loss_func=ComputeLoss(criterion),
        callbacks=list(callbacks),
        train_sampler=torch.utils.data.SequentialSampler(digits()),
    )
    trainer.train()
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_a_step_is_the_same_whether_it_is_accumulated_or_not(tmp_path: Path) -> None:
    criterion = BalancedSoftmaxLoss(COUNTS)
    whole = parameters_after(tmp_path, criterion, per_device_train_batch_size=64)
    parts = parameters_after(tmp_path, criterion, per_device_train_batch_size=16, gradient_accumulation_steps=4)
    for first, second in zip(whole, parts, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_cross_entropy_trains_as_the_models_own_loss(tmp_path: Path) -> None:
    model = vision_model()
    sampler = torch.utils.data.SequentialSampler(digits())
    TrainerWithSampler(model, arguments(tmp_path), train_dataset=digits(), train_sampler=sampler).train()
    through_hook = parameters_after(tmp_path, CrossEntropyLoss())
    for first, second in zip(model.parameters(), through_hook, strict=True):
        torch.testing.assert_close(first.detach(), second, rtol=1e-4, atol=1e-6)


def test_evaluation_loss_is_the_criterions_mean(tmp_path: Path) -> None:
    model, criterion = vision_model(), BalancedSoftmaxLoss(COUNTS)
    trainer = Trainer(
        model,
        arguments(tmp_path, per_device_eval_batch_size=1000),
        eval_dataset=digits(),
        compute_loss_func=ComputeLoss(criterion),
    )
    found = trainer.evaluate()["eval_loss"]
    images, labels = (
        torch.stack([torch.as_tensor(row[key]) for row in digits()]) for key in ("pixel_values", "labels")
    )
    with torch.no_grad():
        assert found == pytest.approx(criterion(model(pixel_values=images).logits, labels).item(), rel=1e-5)


def test_token_labels_that_are_ignored_count_neither_in_the_loss_nor_in_its_mean(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = BertConfig(vocab_size=17, num_attention_heads=1, num_labels=10, max_position_embeddings=64, **sizes)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    images, targets = load_digits(return_X_y=True)
    rows = [
        {
            "input_ids": torch.from_numpy(image).long(),
            "labels": torch.full((64,), -100).index_fill(0, place, int(label)),
        }
        for image, label, place in zip(images[:24], targets[:24], torch.arange(24).split(1), strict=True)
    ]
    rows[0]["labels"] = torch.full((64,), -100).index_fill(0, torch.arange(20), int(targets[0]))
    trained = []
    for accumulated in (1, 4):
        torch.manual_seed(0)
        model = BertForTokenClassification(config)
        trainer = TrainerWithSampler(
            model,
            arguments(tmp_path, per_device_train_batch_size=24 // accumulated, gradient_accumulation_steps=accumulated),
            train_dataset=rows,
            compute_loss_func=ComputeLoss(FocalLoss()),
            train_sampler=torch.utils.data.SequentialSampler(rows),
        )
        trainer.train()
        trained.append([parameter.detach().clone() for parameter in model.parameters()])
    for first, second in zip(*trained, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)


def test_outputs_may_be_a_mapping_a_tuple_or_the_logits_themselves() -> None:
    compute_loss, logits, labels = ComputeLoss(FocalLoss()), torch.randn(4, 3), torch.tensor([0, 1, 2, -100])
    expected = FocalLoss()(logits, labels)
    for outputs in ({"logits": logits}, (logits, None), logits):
        assert compute_loss(outputs, labels) == expected
        assert compute_loss(outputs, labels, num_items_in_batch=torch.tensor(6)) == pytest.approx(expected.item() / 2)


def test_label_probabilities_of_a_mixing_collator_are_counted_as_the_trainer_counts_them() -> None:
    compute_loss, logits = ComputeLoss(CrossEntropyLoss()), torch.randn(4, 3)
    labels = torch.rand(4, 3).softmax(dim=1)
    of_two_batches = 2 * labels.ne(-100).sum()
    assert compute_loss({"logits": logits}, labels, of_two_batches) == CrossEntropyLoss()(logits, labels) / 2


def test_statistics_are_gathered_in_training_alone() -> None:
    criterion = GALALoss(num_classes=3)
    compute_loss, labels = ComputeLoss(criterion), torch.tensor([0, 1, 2, 0])
    before = {name: tensor.clone() for name, tensor in criterion.state_dict().items()}
    compute_loss({"logits": torch.randn(4, 3)}, labels)
    assert all(torch.equal(criterion.state_dict()[name], tensor) for name, tensor in before.items())
    compute_loss({"logits": torch.randn(4, 3, requires_grad=True)}, labels)
    assert not all(torch.equal(criterion.state_dict()[name], tensor) for name, tensor in before.items())


class Watching(TrainerCallback):
    """Writes down the class weights and the epoch of every step."""

    def __init__(self, criterion: Any) -> None:
        self.criterion = criterion
        self.seen: list[tuple[int, list[float] | None]] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Before the forward pass."""
        weight = self.criterion.weight
        self.seen.append((int(state.epoch), None if weight is None else weight.tolist()))


def test_loss_has_the_class_weights_of_the_epoch_in_every_step(tmp_path: Path) -> None:
    criterion, schedule = FocalLoss(), DeferredReweighting(COUNTS, start=1)
    watching = Watching(criterion)
    parameters_after(tmp_path, criterion, [ScheduleCallback(criterion, schedule), watching])
    assert {epoch for epoch, _ in watching.seen} == {0, 1}
    assert all(weight == schedule(epoch).float().tolist() for epoch, weight in watching.seen)


def test_loss_that_goes_by_the_epoch_is_told_it(tmp_path: Path) -> None:
    criterion = CyclicalFocalLoss(epochs=2)
    parameters_after(tmp_path, criterion, [ScheduleCallback(criterion)])
    assert criterion.epoch == 1


class Collecting:
    """A collator that writes down which samples a batch has."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        self.batches.append([row["row"] for row in rows])
        return {
            "pixel_values": torch.stack([row["pixel_values"] for row in rows]),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }


def sampled(folder: Path, resume: str | None = None, **chosen: Any) -> tuple[Collecting, Watching]:
    """Three epochs by phased sampling and deferred weights."""
    rows = [{**row, "row": number} for number, row in enumerate(digits())]
    targets = np.array([row["labels"] for row in rows])
    schedule = PhasedProgressiveSampling(COUNTS, 0, 2, power=1.0)
    criterion, collecting = CrossEntropyLoss(), Collecting()
    watching = Watching(criterion)
    trainer = TrainerWithSampler(
        vision_model(),
        arguments(folder, num_train_epochs=3, **chosen),
        data_collator=collecting,
        train_dataset=rows,
        compute_loss_func=ComputeLoss(criterion),
        callbacks=[ScheduleCallback(criterion, DeferredReweighting(COUNTS, start=1)), watching],
        train_sampler=RebalancedSampler(targets, schedule, num_replicas=1, rank=0),
    )
    trainer.train(resume_from_checkpoint=resume)
    return collecting, watching


def test_sampler_draws_anew_in_each_epoch_also_when_a_training_is_resumed_within_one(tmp_path: Path) -> None:
    through, watched = sampled(tmp_path, save_strategy="steps", save_steps=1)
    steps = len(watched.seen) // 3
    alone = RebalancedSampler(np.repeat(np.arange(10), COUNTS), PhasedProgressiveSampling(COUNTS, 0, 2, power=1.0))
    assert len(alone) == sum(len(batch) for batch in through.batches[:steps])
    epochs = [[row for batch in through.batches[start : start + steps] for row in batch] for start in (0, steps)]
    assert epochs[0] != epochs[1]
    resumed, watched_again = sampled(tmp_path / "again", str(tmp_path / f"checkpoint-{steps + 2}"))
    assert resumed.batches[-(2 * steps - 2) :] == through.batches[steps + 2 :]
    assert watched_again.seen == watched.seen[steps + 2 :]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ComputeLoss(FocalLoss(reduction="sum")), "must have reduction=\"mean\", got 'sum'"),
        (lambda: ComputeLoss(LogitAdjustedLoss(COUNTS, learnable=True)), "LogitAdjustedLoss has parameters of its own"),
        (lambda: ComputeLoss(FocalLoss())({"logits": torch.zeros(2, 3)}, None), "the batch has no labels"),
        (lambda: ComputeLoss(FocalLoss())({"loss": 1.0}, torch.tensor([0, 1])), "the model gave no logits, but dict"),
        (
            lambda: ScheduleCallback(FocalLoss(weight=[1.0, 2.0]), DeferredReweighting([9, 1], 1)),
            "FocalLoss has a weight of its own",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_sampler_that_shards_itself_is_refused(tmp_path: Path) -> None:
    sampler = RebalancedSampler([0, 1, 1], num_replicas=2, rank=0)
    with pytest.raises(ValueError, match="num_replicas=1, rank=0"):
        TrainerWithSampler(vision_model(), arguments(tmp_path), train_sampler=sampler)


def test_without_transformers_one_line_names_the_extra() -> None:
    script = "import sys\nsys.modules['transformers'] = None\nimport tailwise.integrations.huggingface"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "install it with `pip install 'tailwise[huggingface]'`" in done.stderr.splitlines()[-1]
