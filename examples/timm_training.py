"""timm: a loss of tailwise as train_loss_fn, on the soft targets of timm's own mixup."""

import timm
import torch
from timm.data import Mixup
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import random_seed

from tailwise import BalancedSoftmaxLoss
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources.digits import Digits
from tailwise.metrics import classification_report

train, test = (Digits().load(None, split) for split in ("train", "test"))
train = train.subset(subset_indices(train.targets, exponential_counts(10, 100, imbalance_factor=20), seed=0))
images, test_images = (torch.from_numpy(part.inputs).permute(0, 3, 1, 2) / 255 for part in (train, test))
mixup = Mixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=10)

for train_loss_fn in (SoftTargetCrossEntropy(), BalancedSoftmaxLoss(train.counts)):
    random_seed(0)
    model = timm.create_model("test_resnet", num_classes=10, in_chans=1)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=3e-3)
    for rows in (rows for _ in range(15) for rows in torch.randperm(len(images)).split(16)[:-1]):
        batch, soft_targets = mixup(images[rows], torch.from_numpy(train.targets)[rows])
        optimizer.zero_grad()
        train_loss_fn(model(batch), soft_targets).backward()
        optimizer.step()
    report = classification_report(model.eval()(test_images), test.targets, train.counts)
    print(type(train_loss_fn).__name__, round(report["balanced_accuracy"], 3))
