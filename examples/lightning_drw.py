"""Lightning: class weights deferred to the last epochs (DRW), by a callback."""

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources.digits import Digits
from tailwise.integrations.lightning import ScheduleCallback
from tailwise.metrics import classification_report
from tailwise.schedules import DeferredReweighting

train, test = (Digits().load(None, split) for split in ("train", "test"))
train = train.subset(subset_indices(train.targets, exponential_counts(10, 100, imbalance_factor=20), seed=0))
images, test_images = (torch.from_numpy(part.inputs).flatten(1) / 255 for part in (train, test))
loader = DataLoader(TensorDataset(images, torch.as_tensor(train.targets)), 16, True, generator=torch.manual_seed(0))


class Classifier(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
        self.criterion = torch.nn.CrossEntropyLoss()  # or any loss of tailwise

    def training_step(self, batch, batch_idx):
        return self.criterion(self.network(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


for name, schedule in {"plain": None, "DRW": DeferredReweighting(train.counts, start=20, beta=0.999)}.items():
    model, callback = Classifier(), ScheduleCallback(schedule, "criterion")
    pl.Trainer(max_epochs=30, callbacks=[callback], logger=False, enable_checkpointing=False).fit(model, loader)
    print(name, classification_report(model.network(test_images), test.targets, train.counts)["balanced_accuracy"])
