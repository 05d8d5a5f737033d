"""The scikit-learn estimator: by scikit-learn's own checks, in its own machinery, and on real data."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import tailwise
from tailwise import TailwiseClassifier
from tailwise.data.profiles import exponential_counts, subset_indices
from tailwise.data.sources import SOURCES
from tailwise.losses import LOSSES
from tailwise.schedules import DeferredReweighting

Data = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

NOT_MET = {
    "check_sample_weight_equivalence_on_dense_data": "batches are drawn of samples: one of weight 2 comes once in an "
    "epoch, its two copies in two batches"
}


@parametrize_with_checks(
    [
        TailwiseClassifier(epochs=20, lr=1e-2, random_state=0),
        TailwiseClassifier("gppe", epochs=20, lr=1e-2, sampling="square-root", posthoc="logit-adjustment", tau=0.2),
    ],
    expected_failed_checks=lambda estimator: NOT_MET,
)
def test_estimator_passes_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> Data:
    """Long-tailed training digits, 100 to 5 of a class, and balanced test digits, as tables."""
    inputs, targets = load_digits(return_X_y=True)
    train, test, train_targets, test_targets = train_test_split(
        inputs, targets, test_size=0.3, stratify=targets, random_state=0
    )
    rows = subset_indices(train_targets, exponential_counts(10, 100, 20), seed=0)
    return train[rows], train_targets[rows], test, test_targets


@pytest.fixture(scope="module")
def images() -> Data:
    train, test = (SOURCES["digits"]().load(None, split) for split in ("train", "test"))
    rows = subset_indices(train.targets, [60] * 5 + [6] * 5, seed=0)
    return train.inputs[rows], train.targets[rows], test.inputs, test.targets


def small(*args: Any, **kwargs: Any) -> TailwiseClassifier:
    """A quick one."""
    return TailwiseClassifier(*args, **{"epochs": 3, "batch_size": 32, "random_state": 0, "device": "cpu"} | kwargs)


def test_importing_the_package_does_not_import_scikit_learn_until_the_estimator_is_asked_for() -> None:
    script = (
        "import sys, tailwise; before = 'sklearn' in sys.modules; tailwise.TailwiseClassifier; "
        "print(before, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_package_says_of_other_names_that_it_has_none() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tailwize'"):
        tailwise.Tailwize  # type: ignore[attr-defined]  # noqa: B018


def test_balanced_softmax_recalls_more_of_the_rare_digits_than_cross_entropy(digits: Data) -> None:
    train, targets, test, test_targets = digits
    recalls = {}
    for loss in ("cross_entropy", "balanced_softmax"):
        predicted = small(loss, epochs=60).fit(train, targets).predict(test)
        recalls[loss] = recall_score(test_targets, predicted, average=None)[7:].mean()
    assert recalls["balanced_softmax"] > recalls["cross_entropy"] + 0.05


def test_loss_is_given_the_class_counts_of_the_training_samples(digits: Data) -> None:
    train, targets, *_ = digits
    classifier = small("ldam").fit(train, targets)
    assert classifier.class_counts_ == np.bincount(targets)
    assert classifier.loss_.class_counts.tolist() == np.bincount(targets).tolist()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_by_its_name_alone(loss: str, digits: Data) -> None:
    train, targets, test, _ = digits
    probability = small(loss).fit(train, targets).predict_proba(test)
    assert probability.shape == (len(test), 10)
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_probability_is_that_of_the_training_loss_for_a_loss_that_scales_cosines(digits: Data) -> None:
    train, targets, test, _ = digits
    classifier = small("ldam").fit(train, targets)
    with torch.no_grad():
        cosines = classifier.network_(torch.from_numpy(test).float())
    expected = (30 * cosines).softmax(dim=1).numpy()
    np.testing.assert_allclose(classifier.predict_proba(test), expected, atol=1e-4)


@pytest.mark.parametrize(
    "sampling",
    [
        "class-balanced",
        "effective-number",
        "progressive",
        "oversample",
        "undersample",
        {"name": "phased", "start": 0, "end": 2},
        {"name": "repeat-factor", "threshold": 0.1},
        {"name": "class-balanced-batches", "classes_per_batch": 10, "samples_per_class": 4},
    ],
    ids=str,
)
def test_every_sampling_of_a_recipe_trains(sampling: Any, digits: Data) -> None:
    train, targets, *_ = digits
    classifier = small(sampling=sampling, batch_size=40).fit(train, targets)
    assert len(classifier.loss_curve_) == 3


def test_class_balanced_sampling_lets_the_rare_digits_be_recalled(digits: Data) -> None:
    train, targets, test, test_targets = digits
    recalls = [
        recall_score(test_targets, small(sampling=name, epochs=10).fit(train, targets).predict(test), average=None)[9]
        for name in ("instance", "class-balanced")
    ]
    assert recalls[1] > recalls[0] + 0.2


def test_class_weight_balanced_is_the_weight_of_the_loss(digits: Data) -> None:
    train, targets, test, _ = digits
    counts = np.bincount(targets)
    by_name = small("focal", class_weight="balanced").fit(train, targets)
    by_hand = small({"name": "focal", "weight": (len(targets) / (10 * counts)).tolist()}).fit(train, targets)
    np.testing.assert_allclose(by_name.predict_proba(test), by_hand.predict_proba(test))


def test_class_weight_of_labels_weights_those_alone() -> None:
    classifier = small(class_weight={"rare": 5.0}, epochs=1)
    classifier.fit(np.arange(40.0).reshape(20, 2), np.repeat(["often", "rare"], [15, 5]))
    assert classifier.loss_.weight.tolist() == [1.0, 5.0]


def test_deferred_reweighting_weights_the_loss_from_its_epoch_on(digits: Data) -> None:
    train, targets, *_ = digits
    classifier = small(reweighting={"name": "deferred", "start": 2}).fit(train, targets)
    expected = DeferredReweighting(np.bincount(targets), start=2)(2)
    torch.testing.assert_close(classifier.loss_.weight, expected.float())


def test_sample_of_weight_zero_is_as_if_it_were_not_there(digits: Data) -> None:
    train, targets, test, _ = digits
    kept = np.arange(len(targets)) % 3 > 0
    weighted = small("balanced_softmax").fit(train, targets, sample_weight=kept.astype(float))
    without = small("balanced_softmax").fit(train[kept], targets[kept])
    np.testing.assert_allclose(weighted.predict_proba(test), without.predict_proba(test), rtol=1e-4, atol=1e-6)


def test_only_the_ratios_of_sample_weights_matter(digits: Data) -> None:
    train, targets, test, _ = digits
    weight = np.random.default_rng(0).uniform(0.5, 2, len(targets))
    first, second = (
        small("balanced_softmax").fit(train, targets, sample_weight=factor * weight).predict_proba(test)
        for factor in (1, 1024)
    )
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_sample_weights_count_in_the_class_counts() -> None:
    inputs, labels = np.arange(24.0).reshape(12, 2), np.repeat([0, 1], [8, 4])
    classifier = small("balanced_softmax", epochs=1).fit(inputs, labels, sample_weight=np.repeat([1.0, 2.0], [8, 4]))
    assert classifier.class_counts_ == [6, 6]


def test_gradient_of_weighted_samples_is_that_of_their_copies_in_one_batch() -> None:
    generator = np.random.default_rng(0)
    inputs, labels = generator.normal(size=(12, 3)), np.arange(12) % 2
    weight = np.tile([1, 2, 3], 4)
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 100, "optimizer": {"name": "sgd", "lr": 1.0}}
    model = {"name": "mlp", "normalize": False}
    weighted = small("focal", model=model, **settings).fit(inputs, labels, sample_weight=weight)
    copied = small("focal", model=model, **settings).fit(np.repeat(inputs, weight, axis=0), np.repeat(labels, weight))
    np.testing.assert_allclose(weighted.predict_proba(inputs), copied.predict_proba(inputs), rtol=1e-5)


def test_logit_adjustment_after_training_shifts_the_decision_by_tau_times_the_log_prior(digits: Data) -> None:
    train, targets, test, _ = digits
    plain = small().fit(train, targets).decision_function(test)
    adjusted = small(posthoc="logit-adjustment", tau=1.5).fit(train, targets).decision_function(test)
    prior = np.bincount(targets) / len(targets)
    np.testing.assert_allclose(plain - adjusted, np.broadcast_to(1.5 * np.log(prior), plain.shape), atol=1e-9)


@pytest.mark.parametrize("posthoc", ["temperature", {"name": "thresholds", "metric": "balanced_accuracy"}], ids=str)
def test_correction_that_learns_does_so_on_held_out_samples(posthoc: Any, digits: Data) -> None:
    train, targets, *_ = digits
    classifier = small(posthoc=posthoc, validation_fraction=0.2, epochs=30).fit(train, targets)
    assert classifier.class_counts_.total < len(targets)
    learned = vars(classifier.correction_)
    assert (learned.get("temperature_") or learned.get("log_thresholds")) is not None


def test_tau_is_found_on_held_out_samples(digits: Data) -> None:
    train, targets, *_ = digits
    classifier = small(posthoc="logit-adjustment", tau="search", validation_fraction=0.2, epochs=30)
    assert 0 <= classifier.fit(train, targets).correction_.tau <= 3


def test_prior_shift_estimates_the_frequencies_of_the_samples_that_it_is_shown(digits: Data) -> None:
    train, targets, test, test_targets = digits
    classifier = small(posthoc="prior-shift", epochs=30).fit(train, targets)
    rare, frequent = (
        classifier.predict_proba(test[part])[:, 9].mean() for part in (test_targets > 6, test_targets < 3)
    )
    given = small(posthoc={"name": "prior-shift", "test_prior": "uniform"}, epochs=30).fit(train, targets)
    assert rare > frequent
    assert given.predict_proba(test[:1]).shape == (1, 10)


def test_images_train_a_network_by_name(images: Data) -> None:
    train, targets, test, test_targets = images
    classifier = small("balanced_softmax", model="cnn", epochs=4).fit(train, targets)
    assert classifier.sample_shape_ == (8, 8, 1)
    assert classifier.score(test, test_targets) > 0.7


class SmallNetwork(nn.Sequential):
    """Convolutions of one's own, for images that come channel first."""

    def __init__(self, sample_shape: tuple[int, ...], num_classes: int) -> None:
        _, _, channels = sample_shape
        super().__init__(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, num_classes))


def test_network_of_ones_own_trains_on_images(images: Data) -> None:
    train, targets, test, test_targets = images
    classifier = small("balanced_softmax", model=SmallNetwork, epochs=8).fit(train, targets)
    assert classifier.score(test, test_targets) > 0.7


def test_network_of_ones_own_is_new_in_every_fit(images: Data) -> None:
    train, targets, test, _ = images
    classifier = small(model=SmallNetwork)
    first = classifier.fit(train, targets).predict_proba(test)
    np.testing.assert_array_equal(classifier.fit(train, targets).predict_proba(test), first)


def test_labels_of_any_kind_come_back(digits: Data) -> None:
    train, targets, test, _ = digits
    names = np.array([f"digit {label}" for label in range(10)])
    classifier = small("sgpl").fit(train, names[targets])
    assert classifier.classes_.tolist() == sorted(names)
    assert set(classifier.predict(test)) <= set(names)


def test_same_seed_gives_the_same_bits_and_leaves_torchs_generator_alone(digits: Data) -> None:
    train, targets, test, _ = digits
    torch.manual_seed(5)
    first = small("gppe").fit(train, targets).predict_proba(test)
    torch.rand(3)
    state = torch.get_rng_state()
    second = small("gppe").fit(train, targets).predict_proba(test)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, second)


def test_pickled_and_read_again_it_predicts_the_same(digits: Data) -> None:
    train, targets, test, _ = digits
    classifier = small("gala", posthoc="rebalance").fit(train, targets)
    again = pickle.load(io.BytesIO(pickle.dumps(classifier)))
    np.testing.assert_array_equal(again.predict_proba(test), classifier.predict_proba(test))


def test_probability_of_a_sample_does_not_depend_on_those_beside_it(digits: Data) -> None:
    train, targets, test, _ = digits
    classifier = small().fit(train, targets)
    alone = np.concatenate([classifier.predict_proba(row[None]) for row in test[:20]])
    np.testing.assert_allclose(alone, classifier.predict_proba(test)[:20], rtol=1e-9)


def test_loss_and_tau_are_searched_in_a_pipeline_on_balanced_accuracy(digits: Data) -> None:
    train, targets, test, test_targets = digits
    pipeline = make_pipeline(StandardScaler(), small(posthoc="logit-adjustment", epochs=20))
    grid = {
        "tailwiseclassifier__loss": ["cross_entropy", {"name": "focal", "gamma": 1.0}],
        "tailwiseclassifier__tau": np.array([0.0, 1.0]),
        "tailwiseclassifier__epochs": np.array([20]),
    }
    search = GridSearchCV(pipeline, grid, scoring="balanced_accuracy", cv=3).fit(train, targets)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert balanced_accuracy_score(test_targets, search.predict(test)) > 0.75


def test_it_is_scored_by_cross_validation(digits: Data) -> None:
    train, targets, *_ = digits
    scores = cross_val_score(small("balanced_softmax", epochs=20), train, targets, cv=3, scoring="balanced_accuracy")
    assert scores.mean() > 0.6


def test_it_is_calibrated_by_scikit_learn(digits: Data) -> None:
    train, targets, test, _ = digits
    calibrated = CalibratedClassifierCV(small(epochs=10), method="temperature", cv=3).fit(train, targets)
    assert calibrated.predict_proba(test).shape == (len(test), 10)


def test_it_is_bagged_with_bootstrap_weights(digits: Data) -> None:
    train, targets, test, test_targets = digits
    bagged = BaggingClassifier(small("balanced_softmax", epochs=20), n_estimators=3, random_state=0)
    assert bagged.fit(train, targets).score(test, test_targets) > 0.7


@pytest.fixture(scope="module")
def pulsars(data_root: Path) -> Data:
    """HTRU2, the training part thinned out, 10 to 1 as it is."""
    train, test = (SOURCES["htru2"]().load(data_root, split) for split in ("train", "test"))
    return train.inputs[::8], train.targets[::8], test.inputs, test.targets


def test_smote_before_it_balances_the_class_counts_that_the_loss_sees(pulsars: Data) -> None:
    train, targets, test, test_targets = pulsars
    pipeline = make_resampling_pipeline(StandardScaler(), SMOTE(random_state=0), small(epochs=10))
    pipeline.fit(train, targets)
    assert len(set(pipeline[-1].class_counts_)) == 1
    assert recall_score(test_targets, pipeline.predict(test)) > 0.85


def test_two_classes_are_decided_by_one_number(pulsars: Data) -> None:
    train, targets, test, _ = pulsars
    classifier = small("balanced_softmax", epochs=5).fit(train, targets)
    scores = classifier.decision_function(test)
    assert scores.shape == (len(test),)
    np.testing.assert_array_equal(classifier.predict(test), scores > 0)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), classifier.predict_proba(test)[:, 1], rtol=1e-6, atol=1e-12)


def test_progress_is_printed_when_asked_for(digits: Data, capsys: pytest.CaptureFixture[str]) -> None:
    train, targets, *_ = digits
    small(verbose=True).fit(train, targets)
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "epoch 1/3",
        "epoch 2/3",
        "epoch 3/3",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": "balanced_softmx"}, "no loss is named 'balanced_softmx': did you mean 'balanced_softmax'"),
        ({"loss": {"name": "gppe", "margn": 0.1}}, "gppe has no setting 'margn'"),
        ({"loss": 3}, "a part is chosen by its name or by"),
        ({"loss": {"name": "cfl", "epochs": 7}}, "epochs is 7, but the training has 3 epochs"),
        ({"loss": "ldam", "model": {"name": "mlp", "head": "linear"}}, "ldam scales cosines, but model asks"),
        ({"loss": "ldam", "model": {"name": "mlp", "scale": 16}}, "ldam scales cosines, but model scales them"),
        ({"loss": "influence_balanced", "model": SmallNetwork}, "influence_balanced looks at features"),
        ({"model": "resnet31"}, "there is no 'resnet31'"),
        ({"model": "lenet"}, "lenet needs images"),
        ({"model": nn.Linear(64, 10)}, "model is a network that is made already"),
        ({"model": 5}, "model must be a name"),
        ({"model": lambda shape, classes: "network"}, r"model must make a torch\.nn\.Module .* got str"),
        ({"model": lambda shape, classes: nn.Linear(64, 3)}, r"must give logits \(B, 10\), .* it gave \(1, 3\)"),
        ({"sampling": "balanced"}, "there is no 'balanced'; there are instance"),
        (
            {"sampling": {"name": "phased", "start": 1, "end": 8, "pover": 2}},
            "unknown key sampling.pover; did you mean",
        ),
        ({"reweighting": {"name": "deferred", "start": 9}}, "reweighting.start is 9, past the training of 3 epochs"),
        (
            {"reweighting": {"name": "deferred", "start": 1}, "class_weight": "balanced"},
            "reweighting sets the weights of the loss",
        ),
        ({"class_weight": "balanced", "loss": {"name": "ce", "weight": [1.0] * 10}}, "two names of one thing"),
        ({"epochs": 0}, "epochs: Input should be greater than 0"),
        ({"lr": -1.0}, "lr: Input should be greater than 0"),
        ({"lr": 1e30}, "the loss became .* lower lr"),
        ({"device": "gpu"}, 'device must be "auto", "cpu" or "cuda", got \'gpu\''),
        ({"posthoc": "temperature"}, "'temperature' learns from held-out samples; set validation_fraction"),
        ({"posthoc": "logit-adjustment", "tau": "search"}, "needs held-out samples; set validation_fraction"),
        ({"posthoc": "logit-adjustmnt"}, "no correction is named 'logit-adjustmnt'"),
        ({"tau": 1.0}, "tau is the strength of a correction, but posthoc is None"),
        ({"posthoc": "temperature", "tau": 1.0, "validation_fraction": 0.2}, "has no argument 'tau'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),  # the same in every process
)
def test_bad_argument_is_one_line_that_says_how_to_mend_it(
    arguments: dict[str, Any], message: str, digits: Data
) -> None:
    train, targets, *_ = digits
    with pytest.raises(ValueError, match=message) as error:
        small(**arguments).fit(train, targets)
    assert "\n" not in str(error.value)


def test_sample_weights_of_an_overlap_loss_are_refused(digits: Data) -> None:
    train, targets, *_ = digits
    with pytest.raises(ValueError, match="sample_weight is for losses that are a sum over samples, and dice is not"):
        small("dice").fit(train, targets, sample_weight=np.ones(len(targets)))


def test_images_of_another_shape_or_type_than_fitted_are_refused(images: Data) -> None:
    train, targets, test, _ = images
    classifier = small(epochs=1).fit(train, targets)
    with pytest.raises(ValueError, match=r"samples of shape \(8, 6, 1\), but the classifier was fitted on \(8, 8, 1\)"):
        classifier.predict(test[:, :, :6])
    with pytest.raises(ValueError, match="inputs must be uint8 images"):
        clone(classifier).fit(train.astype(float), targets)
