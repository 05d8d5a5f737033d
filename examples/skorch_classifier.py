"""skorch: a loss by its class and class counts, and a sampler that a callback tells the epoch."""

import torch
from sklearn.metrics import balanced_accuracy_score
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from tailwise import BalancedSoftmaxLoss, CrossEntropyLoss
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources.digits import Digits
from tailwise.sampling import RebalancedSampler

train, test = (Digits().load(None, split) for split in ("train", "test"))
train = train.subset(subset_indices(train.targets, exponential_counts(10, 100, imbalance_factor=20), seed=0))
images, test_images = (part.inputs.reshape(-1, 64).astype("float32") / 255 for part in (train, test))


class TellEpoch(Callback):
    def on_epoch_begin(self, net, **kwargs):
        net.iterator_train__sampler.set_epoch(len(net.history) - 1)  # without it, every epoch draws the same


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))


settings = {"optimizer": torch.optim.Adam, "lr": 3e-3, "max_epochs": 30, "batch_size": 16, "train_split": None}
settings |= {"predict_nonlinearity": lambda logits: logits.softmax(dim=1), "verbose": 0}
sampled = {"iterator_train__sampler": RebalancedSampler(train.targets, "square-root"), "callbacks": [TellEpoch()]}
balanced = {"criterion": BalancedSoftmaxLoss, "criterion__class_counts": list(train.counts)}
for chosen in ({"criterion": CrossEntropyLoss}, {"criterion": CrossEntropyLoss, **sampled}, balanced):
    torch.manual_seed(0)
    net = NeuralNetClassifier(network, **settings, **chosen).fit(images, train.targets)
    print(*chosen, round(balanced_accuracy_score(test.targets, net.predict(test_images)), 3))
