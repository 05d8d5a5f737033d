"""Calls in Python that cannot be answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import tailwise
from bad_input.cases import BadCall
from tailwise.contrastive import BalancedContrastiveLoss
from tailwise.data.arrays import Arrays
from tailwise.data.image_list import ImageList
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.heads import build_head
from tailwise.losses import find_loss
from tailwise.metrics import BalancedAccuracy, classification_report
from tailwise.mixing import cutmix, mixup
from tailwise.models.classifier import build_classifier
from tailwise.posthoc import (
    ClassThresholds,
    CostSensitiveDecision,
    LogitAdjustment,
    PredictionRebalancing,
    PriorShift,
    TauNormalization,
    TemperatureScaling,
    build_posthoc,
)
from tailwise.sampling import ClassBalancedBatchSampler, RebalancedSampler
from tailwise.schedules import DeferredReweighting, PhasedProgressiveWeights
from tailwise.weights import effective_number_weights, inverse_frequency_weights

COUNTS = [50, 30, 20]
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
TARGET = torch.tensor([0, 1, 2, 0, 1, 2])
NAN: Any = float("nan")


def ce(logits: Any = LOGITS, target: Any = TARGET) -> Any:
    """A loss that takes these."""
    return tailwise.CrossEntropyLoss()(logits, target)


def gppe(counts: Any, **options: Any) -> Any:
    """A loss of these counts."""
    return tailwise.GPPELoss(class_counts=counts, **options)(LOGITS, TARGET)


def report(logits: Any = LOGITS, target: Any = TARGET, counts: Any = COUNTS) -> Any:
    """Metrics of these."""
    return classification_report(logits, target, counts)


def classifier(features: Any = None, labels: Any = None, **options: Any) -> Any:
    """A classifier of scikit-learn's kind fitted to these."""
    inputs = np.random.default_rng(0).normal(size=(30, 4)) if features is None else features
    targets = np.arange(30) % 3 if labels is None else labels
    return tailwise.TailwiseClassifier(**{"loss": "ce", "epochs": 1, **options}).fit(inputs, targets)


CASES = (
    # Counts.
    BadCall("counts of nothing", lambda: tailwise.ClassCounts([]), ("class_counts", "non-empty")),
    BadCall("counts of zeros", lambda: tailwise.ClassCounts([0, 0]), ("all zero",)),
    BadCall("counts with a fraction", lambda: tailwise.ClassCounts([3, 1.5]), ("whole numbers", "1.5 for class 1")),
    BadCall(
        "counts that are not a number", lambda: tailwise.ClassCounts([3, NAN]), ("whole numbers", "nan for class 1")
    ),
    BadCall("counts that are infinite", lambda: tailwise.ClassCounts([3, float("inf")]), ("finite",)),
    BadCall("counts that are negative", lambda: tailwise.ClassCounts([3, -1]), ("-1 for class 1",)),
    BadCall("counts in words", lambda: tailwise.ClassCounts(["3", "1"]), ("whole numbers", "<U1"), TypeError),
    BadCall("counts that are truths", lambda: tailwise.ClassCounts([True, True]), ("whole numbers", "bool"), TypeError),
    BadCall("counts in two dimensions", lambda: tailwise.ClassCounts([[3, 1]]), ("shape (1, 2)",)),
    BadCall("counts of uneven rows", lambda: tailwise.ClassCounts([[3, 1], [2]]), ("class_counts",)),
    BadCall("counts that are a number", lambda: tailwise.ClassCounts(3), ("got 3",)),
    BadCall("counts that are none", lambda: tailwise.ClassCounts(None), ("class_counts", "got None")),
    BadCall("counts beyond every integer", lambda: tailwise.ClassCounts([10**30, 1]), ("2**63",), TypeError),
    BadCall("counts whose sum wraps around", lambda: tailwise.ClassCounts([2**62, 2**62]), ("sum to less than 2**63",)),
    BadCall("counts in a mapping", lambda: tailwise.ClassCounts({"a": 3}), ("class_counts", "got a dict")),
    BadCall("labels with fractions", lambda: tailwise.ClassCounts.from_targets([0.0, 1.0]), ("integer labels",)),
    BadCall("labels that are negative", lambda: tailwise.ClassCounts.from_targets([0, -100]), ("-100",)),
    BadCall(
        "labels beyond the classes", lambda: tailwise.ClassCounts.from_targets([0, 7], 3), ("target 7", "3 classes")
    ),
    BadCall(
        "label that would fill the memory",
        lambda: tailwise.ClassCounts.from_targets([0, 2**60]),
        ("1152921504606846976",),
    ),
    BadCall("groups that overlap", lambda: tailwise.ClassCounts(COUNTS).groups(many=10, few=20), ("few=20", "many=10")),
    # Losses.
    BadCall("logits in a list", lambda: ce([[0.1, 0.2]]), ("logits must be a tensor", "list"), TypeError),
    BadCall("logits in an array", lambda: ce(LOGITS.numpy()), ("logits must be a tensor", "ndarray"), TypeError),
    BadCall("logits of whole numbers", lambda: ce(LOGITS.long()), ("floating", "int64")),
    BadCall("logits that are complex", lambda: ce(LOGITS.to(torch.complex64)), ("floating", "complex64")),
    BadCall("logits of three dimensions", lambda: ce(LOGITS[None]), ("(1, 6, 3)",)),
    BadCall("logits of no classes", lambda: ce(LOGITS[:, :0]), ("Target 0 is out of bounds",), IndexError),
    BadCall("target in a list", lambda: ce(target=TARGET.tolist()), ("target must be a tensor",), TypeError),
    BadCall("target of another length", lambda: ce(target=TARGET[:2]), ("shape (6,)", "(2,)")),
    BadCall("target in a column", lambda: ce(target=TARGET[:, None]), ("(6, 1)",)),
    BadCall("target of truths", lambda: ce(target=TARGET > 0), ("torch.bool",)),
    BadCall("target of floats", lambda: ce(target=TARGET.float()), ("class indices must be int64",)),
    BadCall(
        "target one-hot in whole numbers",
        lambda: ce(target=torch.eye(3).long()[TARGET]),
        ("one-hot targets as floats",),
    ),
    BadCall("target beyond the classes", lambda: ce(target=TARGET + 1), ("3",), IndexError),
    BadCall("target that is negative", lambda: ce(target=TARGET - 1), ("-1",), IndexError),
    BadCall(
        "weight for other classes",
        lambda: tailwise.CrossEntropyLoss(weight=[1, 2])(LOGITS, TARGET),
        ("weight", "2", "3"),
    ),
    BadCall("weight that is negative", lambda: tailwise.CrossEntropyLoss(weight=[1, -2, 1]), ("weight", "negative")),
    BadCall("weight that is not a number", lambda: tailwise.CrossEntropyLoss(weight=[1, NAN, 1]), ("weight", "finite")),
    BadCall(
        "weight in words", lambda: tailwise.CrossEntropyLoss(weight=["a", "b", "c"]), ("weight", "one number per class")
    ),
    BadCall(
        "smoothing that is negative",
        lambda: tailwise.CrossEntropyLoss(label_smoothing=-0.1),
        ("label_smoothing", "-0.1"),
    ),
    BadCall(
        "smoothing that is a truth",
        lambda: tailwise.CrossEntropyLoss(label_smoothing=True),
        ("label_smoothing", "True"),
    ),
    BadCall(
        "reduction that is none", lambda: tailwise.CrossEntropyLoss(reduction="average"), ("reduction", "'average'")
    ),
    BadCall(
        "ignored class with a fraction", lambda: tailwise.CrossEntropyLoss(ignore_index=1.5), ("ignore_index", "1.5")
    ),
    BadCall("option misspelt", lambda: tailwise.CrossEntropyLoss(lable_smoothing=0.1), ("lable_smoothing",), TypeError),
    BadCall("counts of another number of classes", lambda: gppe([5, 5]), ("2", "3 classes")),
    BadCall("counts left out", lambda: tailwise.BalancedSoftmaxLoss(), ("class_counts",), TypeError),
    BadCall("counts of none where needed", lambda: tailwise.BalancedSoftmaxLoss(None), ("class_counts", "None")),
    BadCall("class without samples where that divides", lambda: tailwise.LDAMLoss([5, 0, 3]), ("class 1 has count 0",)),
    BadCall("focusing that is infinite", lambda: tailwise.FocalLoss(gamma=float("inf")), ("gamma", "inf")),
    BadCall("focusing in words", lambda: tailwise.FocalLoss(gamma="2"), ("gamma", "'2'")),
    BadCall("loss that is none", lambda: find_loss("gpe"), ("'gpe'", "gppe")),
    BadCall("loss that is a path", lambda: find_loss("os.system"), ("'os.system'",)),
    BadCall("loss that is a number", lambda: find_loss(3), ("3",)),
    BadCall(
        "features of other samples",
        lambda: tailwise.build_loss("influence_balanced", COUNTS)(LOGITS, TARGET, torch.zeros(2, 4)),
        ("features", "(2, 4)"),
    ),
    BadCall(
        "contrast of one dimension",
        lambda: BalancedContrastiveLoss(COUNTS)(torch.zeros(6), TARGET, torch.zeros(3, 4)),
        ("features", "(6,)"),
    ),
    BadCall(
        "contrast with other centres",
        lambda: BalancedContrastiveLoss(COUNTS)(torch.ones(6, 2, 4), TARGET, torch.ones(2, 4)),
        ("centers", "(2, 4)"),
    ),
    # Weights, schedules, samplers, mixing.
    BadCall("effective number of one", lambda: effective_number_weights(COUNTS, 1.0), ("beta", "1.0")),
    BadCall("inverse of no samples", lambda: inverse_frequency_weights([5, 0]), ("class 1",)),
    BadCall("schedule from no epoch", lambda: DeferredReweighting(COUNTS, NAN), ("start", "nan")),
    BadCall("schedule in reverse", lambda: PhasedProgressiveWeights(COUNTS, 9, 3), ("end", "9", "3")),
    BadCall("sampler of labels in words", lambda: RebalancedSampler(["a", "b"]), ("integer labels",)),
    BadCall("sampler of nothing", lambda: RebalancedSampler([]), ("non-empty",)),
    BadCall(
        "sampler by a rule that is none",
        lambda: RebalancedSampler([0, 1], "balanced"),
        ("'balanced'", "class-balanced"),
    ),
    BadCall("sampler of no samples", lambda: RebalancedSampler([0, 1], num_samples=0), ("num_samples", "0")),
    BadCall(
        "sampler of a rank beyond the others", lambda: RebalancedSampler([0, 1], num_replicas=2, rank=2), ("rank", "2")
    ),
    BadCall("sampler with a negative seed", lambda: RebalancedSampler([0, 1], seed=-1), ("seed", "-1")),
    BadCall(
        "batches of more classes than there are",
        lambda: ClassBalancedBatchSampler([0, 1], 5, 2),
        ("classes_per_batch", "5"),
    ),
    BadCall("batches of no samples", lambda: ClassBalancedBatchSampler([0, 1], 2, 0), ("samples_per_class", "0")),
    BadCall(
        "mixing with an alpha of zero",
        lambda: mixup(torch.zeros(4, 3), torch.zeros(4).long(), 3, alpha=0),
        ("alpha", "0"),
    ),
    BadCall(
        "cutting a table", lambda: cutmix(torch.zeros(4, 3), torch.zeros(4).long(), 3, alpha=1.0), ("images", "(4, 3)")
    ),
    # Metrics and corrections.
    BadCall("metrics of other lengths", lambda: report(target=TARGET[:2]), ("6", "2")),
    BadCall("metrics of numbers that are none", lambda: report(LOGITS * NAN), ("finite",)),
    BadCall("metrics of other classes", lambda: report(counts=[5, 5]), ("3", "2")),
    BadCall("metrics of a target out of range", lambda: report(target=TARGET + 5), ("from 0 to 2", "5 in row 0")),
    BadCall("metrics of nothing", lambda: report(LOGITS[:0], TARGET[:0]), ("(0, 3)",)),
    BadCall("metric of one class", lambda: BalancedAccuracy(1), ("num_classes", "1")),
    BadCall("metric of a truth for classes", lambda: BalancedAccuracy(True), ("num_classes", "True")),
    BadCall(
        "metric of predictions of another shape", lambda: BalancedAccuracy(3).update(LOGITS[:, :2], TARGET), ("3",)
    ),
    BadCall("adjustment of other classes", lambda: LogitAdjustment([5, 5]).transform(LOGITS), ("2", "3")),
    BadCall("adjustment that is not a number", lambda: LogitAdjustment(COUNTS, NAN), ("tau", "nan")),
    BadCall("adjustment in words", lambda: LogitAdjustment(COUNTS, "1"), ("tau", "'1'")),
    BadCall(
        "re-balancing of numbers that are none", lambda: PredictionRebalancing().transform(LOGITS * NAN), ("finite",)
    ),
    BadCall("re-balancing of one sample", lambda: PredictionRebalancing().transform(LOGITS[0]), ("(3,)",)),
    BadCall("temperature before it is fitted", lambda: TemperatureScaling().transform(LOGITS), ("fit",)),
    BadCall("temperature of nothing", lambda: TemperatureScaling().fit(LOGITS[:0], TARGET[:0]), ("(0, 3)",)),
    BadCall("temperature of a target out of range", lambda: TemperatureScaling().fit(LOGITS, TARGET + 1), ("3",)),
    BadCall("thresholds for a metric that is none", lambda: ClassThresholds("acc"), ("metric", "'acc'")),
    BadCall("prior that is negative", lambda: PriorShift(COUNTS, [1, -1, 1]), ("test_prior", "-1")),
    BadCall(
        "prior of other classes", lambda: PriorShift(COUNTS, [0.5, 0.5]), ("test_prior", "3 classes", "[0.5, 0.5]")
    ),
    BadCall("costs of uneven rows", lambda: CostSensitiveDecision([[0, 1], [1]]), ("rows of different lengths",)),
    BadCall("costs that are negative", lambda: CostSensitiveDecision([1, -1]), ("costs", "-1")),
    BadCall(
        "lengths of a bias of other classes",
        lambda: TauNormalization(torch.ones(3, 4), torch.ones(2)),
        ("bias", "(2,)"),
    ),
    BadCall("correction that is none", lambda: build_posthoc("calibrate", COUNTS), ("'calibrate'",)),
    # Data and networks.
    BadCall("samples of another type", lambda: Arrays(np.zeros((2, 3)), np.zeros(2, np.int64), ("a",)), ("float64",)),
    BadCall(
        "samples of two classes of one name",
        lambda: Arrays(np.zeros((2, 3), np.float32), np.array([0, 1]), ("a", "a")),
        ("'a' twice",),
    ),
    BadCall(
        "samples chosen beyond the last",
        lambda: Arrays(np.zeros((2, 3), np.float32), np.array([0, 1]), ("a", "b")).subset([5]),
        ("from 0 to 1", "5"),
    ),
    BadCall(
        "list of no images",
        lambda: ImageList(np.array([], str), np.array([], np.int64), ("a",)),
        ("at least one path",),
    ),
    BadCall("profile of one class", lambda: exponential_counts(1, 100, 10), ("num_classes", "1")),
    BadCall("profile steeper than it is high", lambda: exponential_counts(5, 10, 100), ("imbalance_factor", "100")),
    BadCall(
        "subset of more than there is",
        lambda: subset_indices([0, 0, 1], [1, 2], 0),
        ("class 1 has 1 samples, 2 were asked for",),
    ),
    BadCall("head that is none", lambda: build_head("square", 4, 3), ("'square'",)),
    BadCall("network that is none", lambda: build_classifier(torch.zeros(2, 4), 3, "resnet"), ("'resnet'", "resnet20")),
    BadCall(
        "network for images of a table",
        lambda: build_classifier(torch.zeros(2, 4), 3, "lenet"),
        ("lenet needs images", "4 features"),
    ),
    # scikit-learn's way.
    BadCall("table with what is not a number", lambda: classifier(np.full((30, 4), np.nan)), ("NaN",)),
    BadCall("table of fewer labels", lambda: classifier(labels=[0, 1]), ("inconsistent", "30")),
    BadCall("table of one class", lambda: classifier(labels=np.zeros(30, int)), ("one class",)),
    BadCall("table of fractions for labels", lambda: classifier(labels=np.linspace(0, 1, 30)), ("continuous",)),
    BadCall("table of words", lambda: classifier(np.full((30, 4), "a")), ("'a'",)),
    BadCall("table with a loss that is none", lambda: classifier(loss="gpe"), ("'gpe'",)),
    BadCall("table with no epochs", lambda: classifier(epochs=0), ("epochs", "0")),
    BadCall(
        "table predicted with another width",
        lambda: classifier().predict(np.zeros((2, 3))),
        ("3 features", "4 features"),
    ),
    BadCall("run that is not there", lambda: tailwise.load("gone"), ("there is no run directory gone",)),
    BadCall("run that is a number", lambda: tailwise.load(3), ("int",), TypeError),
)
