"""A LightningModule that writes down what it was trained with; importable, for processes that a Trainer starts."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.sampling import RebalancedSampler
from tailwise.schedules import PhasedProgressiveSampling

COUNTS = exponential_counts(10, 80, 16)
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def digits() -> TensorDataset:
    """Long-tailed digits (N, 64), their labels, and where they stand."""
    inputs, targets = load_digits(return_X_y=True)
    rows = subset_indices(targets, COUNTS, seed=0)
    samples = torch.from_numpy(inputs[rows]).float() / 16, torch.from_numpy(targets[rows])
    return TensorDataset(*samples, torch.arange(len(rows)))


def module_class(package: str = "lightning.pytorch") -> type[Any]:
    """The module for the Trainer of ``lightning.pytorch`` or ``pytorch_lightning``."""
    base = importlib.import_module(package).LightningModule

    class Digits(base):  # type: ignore[misc, valid-type]
        """An MLP, and its loss in ``criterion``."""

        def __init__(self, criterion: nn.Module) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.network = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
            self.criterion = criterion
            self.seen: list[dict[str, Any]] = []

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            inputs, targets, rows = batch
            weight = getattr(self.criterion, "weight", None)
            eta = getattr(self.criterion, "eta", None)
            self.seen.append(
                {
                    "epoch": self.current_epoch,
                    "weight": None if weight is None else weight.tolist(),
                    "eta": None if eta is None else eta.item(),
                    "rows": rows.tolist(),
                }
            )
            loss: Tensor = self.criterion(self.network(inputs), targets)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    return Digits


Digits = module_class()


class WritingDigits(Digits):  # type: ignore[misc, valid-type]
    """Leaves a file for each process."""

    def __init__(self, criterion: nn.Module, folder: Path) -> None:
        super().__init__(criterion)
        self.folder = folder

    def on_train_end(self) -> None:
        """What this process saw."""
        (self.folder / f"{self.global_rank}.json").write_text(json.dumps(self.seen))


def phased_sampler(epochs: int) -> RebalancedSampler:
    """From the training frequencies to equal ones over the epochs."""
    targets = digits().tensors[1].numpy()
    return RebalancedSampler(targets, PhasedProgressiveSampling(COUNTS, 0, epochs - 1, power=1.0), seed=3)


def loader(sampler: RebalancedSampler | None = None) -> DataLoader[Any]:
    """Batches of 64, in order where there is no sampler."""
    return DataLoader(digits(), batch_size=64, sampler=sampler)
