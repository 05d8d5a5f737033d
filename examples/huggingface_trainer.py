"""Hugging Face: a vision transformer in the Trainer, with a loss for the long tail."""

import torch
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from tailwise import BalancedSoftmaxLoss, CrossEntropyLoss
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources.digits import Digits
from tailwise.integrations.huggingface import ComputeLoss
from tailwise.metrics import classification_report

train, test = (Digits().load(None, split) for split in ("train", "test"))
train = train.subset(subset_indices(train.targets, exponential_counts(10, 100, imbalance_factor=20), seed=0))
images, test_images = (torch.from_numpy(part.inputs).permute(0, 3, 1, 2) / 255 for part in (train, test))
dataset = [{"pixel_values": image, "labels": label} for image, label in zip(images, train.targets, strict=True)]

sizes = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
config = ViTConfig(image_size=8, patch_size=4, num_channels=1, num_labels=10, **sizes)
settings = {"num_train_epochs": 20, "per_device_train_batch_size": 16, "learning_rate": 5e-3}
arguments = TrainingArguments("runs/digits", **settings, save_strategy="no", report_to="none")

for criterion in (CrossEntropyLoss(), BalancedSoftmaxLoss(train.counts)):
    torch.manual_seed(0)
    model = ViTForImageClassification(config)
    Trainer(model, arguments, train_dataset=dataset, compute_loss_func=ComputeLoss(criterion)).train()
    with torch.no_grad():
        logits = model.cpu().eval()(pixel_values=test_images).logits
    report = classification_report(logits, test.targets, train.counts)
    print(type(criterion).__name__, round(report["balanced_accuracy"], 3))
