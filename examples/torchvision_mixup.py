"""torchvision: MixUp or CutMix batches of transforms.v2, whose soft targets every loss takes."""

import torch
from torch.utils.data import DataLoader, TensorDataset, default_collate
from torchvision.transforms import v2

from tailwise import BalancedSoftmaxLoss, CrossEntropyLoss
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources.digits import Digits
from tailwise.metrics import classification_report

train, test = (Digits().load(None, split) for split in ("train", "test"))
train = train.subset(subset_indices(train.targets, exponential_counts(10, 100, imbalance_factor=20), seed=0))
images, test_images = (torch.from_numpy(part.inputs).permute(0, 3, 1, 2) / 255 for part in (train, test))
dataset = TensorDataset(images, torch.from_numpy(train.targets))
mix = v2.RandomChoice([v2.MixUp(alpha=0.2, num_classes=10), v2.CutMix(alpha=0.2, num_classes=10)])
loader = DataLoader(dataset, batch_size=16, shuffle=True, collate_fn=lambda rows: mix(*default_collate(rows)))

for criterion in (CrossEntropyLoss(), BalancedSoftmaxLoss(train.counts)):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for batch, soft_targets in (batch for _ in range(30) for batch in loader):
        optimizer.zero_grad()
        criterion(model(batch), soft_targets).backward()
        optimizer.step()
    report = classification_report(model(test_images), test.targets, train.counts)
    print(type(criterion).__name__, round(report["balanced_accuracy"], 3))
