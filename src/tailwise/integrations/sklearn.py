"""A scikit-learn classifier: a network trained with any loss, sampler and correction of the library."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor, nn
from typing_extensions import Self

from tailwise.counts import ClassCounts
from tailwise.data.arrays import Arrays
from tailwise.data.profiles import subset_indices, validation_counts
from tailwise.hyperparameters import one_of
from tailwise.integrations._training import Settings, Training, build_network, predicted_logits
from tailwise.losses import ClassificationLoss, find_loss
from tailwise.posthoc import (
    PosthocCorrection,
    PriorShift,
    ValidatedCorrection,
    build_posthoc,
    search_tau,
)
from tailwise.recipes.catalog import validate
from tailwise.training.device import Device, chosen_device

Named = str | Mapping[str, Any]
"""A part by its name, or by a mapping of its ``name`` and its arguments, as in a recipe."""
ModelLike = Named | Callable[[tuple[int, ...], int], nn.Module]


class TailwiseClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A neural network for classes of unequal frequency: an MLP on tables, any network on images.

    It trains for ``epochs`` and keeps the last of them. A part is chosen by its name, or by a mapping of its name and
    its arguments, as in a recipe: ``loss="gppe"`` or ``loss={"name": "gppe", "margin": 0.1}``.

    Args:
        loss: any of ``tailwise losses``. What it asks of the data, class counts and epochs, it is given.
        model: "mlp" (``{"name": "mlp", "widths": [128, 64]}``), for images also "lenet", "cnn", "resnet32", "timm/NAME"
            and the others of a recipe; or a function or class that is called with (shape of a sample, number of
            classes) and gives a new ``nn.Module`` from samples, standardised, images as (B, channels, H, W), to logits
            (B, C). A loss of cosines (LDAM, CRI) gets a cosine head unless it is such a function.
        sampling: which samples an epoch trains on, by the names of a recipe: "instance", "class-balanced",
            "square-root", {"name": "phased", "start": 20, "end": 80} and so on.
        reweighting: class weights that change over the epochs: {"name": "deferred", "start": 80} (DRW),
            {"name": "phased", "start": 20, "end": 80} (PPW) or "none".
        class_weight: factor of each class's terms of the loss: {label: weight}, 1 for labels that are not in it, or
            "balanced", N / (C n_c). It comes on top of what the loss does for rare classes itself.
        posthoc: correction of the logits after training, by its name in ``tailwise evaluate``: "logit-adjustment",
            "prior-shift", "temperature", "thresholds", ... "rebalance", and "prior-shift" without a ``test_prior``,
            look at all samples of a call of ``predict`` at once.
        tau: strength of the correction; "search" takes the best for balanced accuracy on held-out samples; None is
            the correction's default.
        validation_fraction: share of each class that is held out of training, for corrections that learn
            ("temperature", "thresholds") and for the search for tau.
        optimizer: "adam", "adamw" or "sgd", or {"name": "sgd", "momentum": 0.9, "weight_decay": 5e-4}.
        lr: learning rate; None is the optimiser's: 0.001 (adam, adamw), 0.1 (sgd).
        learning_rate: how it moves: "constant", "cosine", {"name": "step", "milestones": [60, 80]}, ...
        epochs: passes over the data.
        batch_size: of training.
        clip_norm: largest norm of the gradient; None is any.
        device: "auto" takes CUDA where there is one; "cpu" or "cuda".
        random_state: of the first weights, the order and the draws. With a whole number, the same on a CPU with the
            same number of threads, to the bit; torch's own generator is left as it was.
        verbose: print the loss of each epoch.

    Attributes:
        classes_: (C,) the labels, in order.
        class_counts_: ``ClassCounts`` of the samples trained on, which loss, sampler and correction were given.
        network_: the trained ``nn.Module``, from raw samples to logits; it standardises them itself.
        loss_: the loss.
        correction_: of the logits, or None.
        loss_curve_: mean loss of each epoch.
        n_features_in_: F of a table; of images their height, see ``sample_shape_``.
        feature_names_in_: names of the columns, where the training samples had names.
        sample_shape_: (F,), or (H, W, channels).

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> features, labels = load_breast_cancer(return_X_y=True)
        >>> classifier = TailwiseClassifier("balanced_softmax", epochs=20, random_state=0).fit(features, labels)
        >>> classifier.predict_proba(features[:2]).shape
        (2, 2)
    """

    def __init__(
        self,
        loss: Named = "cross_entropy",
        *,
        model: ModelLike = "mlp",
        sampling: Named = "instance",
        reweighting: Named = "none",
        class_weight: Mapping[Any, float] | str | None = None,
        posthoc: Named | None = None,
        tau: float | str | None = None,
        validation_fraction: float = 0.0,
        optimizer: Named = "adam",
        lr: float | None = None,
        learning_rate: Named = "constant",
        epochs: int = 100,
        batch_size: int = 128,
        clip_norm: float | None = None,
        device: Device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.loss = loss
        self.model = model
        self.sampling = sampling
        self.reweighting = reweighting
        self.class_weight = class_weight
        self.posthoc = posthoc
        self.tau = tau
        self.validation_fraction = validation_fraction
        self.optimizer = optimizer
        self.lr = lr
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.clip_norm = clip_norm
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train a new network.

        Args:
            X: (N, F) finite numbers, or uint8 images (N, H, W, channels).
            y: (N,) labels of any kind.
            sample_weight: (N,) from 0 up: how many samples each stands for, in the loss and in the class counts; only
                their ratios matter, and one of weight 0 is as if it were not there. Not for the overlap losses (dice
                and its kin) and LADE, which are no sum over samples.

        Raises:
            ValueError: an argument or the data cannot be used.
        """
        samples, labels = validate_data(self, X, y, **_checks(X))
        check_classification_targets(labels)
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(sample_weight, samples, dtype=np.float64, ensure_non_negative=True)
            kept = weight > 0
            samples, labels, weight = samples[kept], labels[kept], weight[kept] / weight[kept].mean()
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"training needs at least two classes, got one class alone, {self.classes_[0]}")
        one_of("device", self.device, get_args(Device))
        settings = self._settings(targets)
        arrays = Arrays(samples, targets.astype(np.int64), tuple(map(str, range(len(self.classes_)))))
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        held_out = None
        if settings.validation_fraction > 0:
            rows = subset_indices(targets, validation_counts(arrays.counts, settings.validation_fraction), seed)
            kept = np.setdiff1d(np.arange(len(targets)), rows)
            arrays, held_out = arrays.subset(kept), arrays.subset(rows)
            weight = None if weight is None else weight[kept]
        self.sample_shape_ = arrays.sample_shape
        self.class_counts_ = _counts(arrays, weight)
        self.loss_ = self._loss(settings, weighted=weight is not None)
        self._train(settings, arrays, weight, seed)
        self.correction_ = self._correction(held_out)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(N, C) corrected logits; of two classes (N,), the log-odds of the second, which it predicts above 0."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(N, C) probabilities, the softmax of the corrected logits, in the order of ``classes_``."""
        return torch.from_numpy(self._scores(X)).softmax(dim=1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(N,) labels."""
        predicted = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[predicted])

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the network on the CPU, so that it can be read where there is no GPU."""
        state: dict[str, Any] = dict(super().__getstate__())
        for name in ("network_", "loss_"):
            if name in state:
                state[name] = copy.deepcopy(state[name]).cpu()
        return state

    def _checked(self, inputs: Any) -> NDArray[Any]:
        """Samples to predict, shaped as those that were trained on."""
        checked = validate_data(self, inputs, reset=False, **_checks(inputs))
        if checked.shape[1:] != self.sample_shape_:
            raise ValueError(
                f"X has samples of shape {checked.shape[1:]}, but the classifier was fitted on {self.sample_shape_}"
            )
        return np.asarray(checked)

    def _settings(self, targets: NDArray[np.int64]) -> Settings:
        """The arguments, each held to what it may be."""
        loss = _section(self.loss)
        entry = find_loss(loss["name"])
        if self.class_weight is not None:
            if "weight" in loss:
                raise ValueError("class_weight and the loss's own weight are two names of one thing; leave one out")
            weights = dict(self.class_weight) if isinstance(self.class_weight, Mapping) else self.class_weight
            loss["weight"] = compute_class_weight(weights, classes=self.classes_, y=self.classes_[targets]).tolist()
        model = None
        if isinstance(self.model, nn.Module):
            raise ValueError(
                "model is a network that is made already, and every fit begins with a new one; give its class or a "
                "function (shape of a sample, number of classes) -> nn.Module"
            )
        if isinstance(self.model, (str, Mapping)):
            model = _section(self.model)
            if entry.cls.for_cosines and model.setdefault("head", "cosine") != "cosine":
                raise ValueError(f"{entry.name} scales cosines, but model asks for a linear head; leave head out")
            if entry.cls.for_cosines and model.get("scale") not in (None, 1):
                raise ValueError(f"{entry.name} scales cosines, but model scales them already; leave scale out")
        elif not callable(self.model):
            raise ValueError(f"model must be a name, a mapping or a function that makes a network, got {self.model!r}")
        elif entry.cls.needs_features:
            raise ValueError(f"{entry.name} looks at features, which {self.model!r} does not give; name a model")
        optimizer = _section(self.optimizer)
        if self.lr is not None:
            optimizer["lr"] = self.lr
        tree = {
            "loss": loss,
            "model": model,
            "sampling": _section(self.sampling),
            "reweighting": _section(self.reweighting),
            "optimizer": optimizer,
            "learning_rate": _section(self.learning_rate),
        }
        for name in ("epochs", "batch_size", "clip_norm", "validation_fraction"):
            tree[name] = _python(getattr(self, name))
        return validate(Settings, tree, type(self).__name__)

    def _loss(self, settings: Settings, weighted: bool) -> ClassificationLoss:
        loss = settings.loss.build(self.class_counts_, settings.epochs)
        if weighted:
            if not loss.sums_samples:
                name = settings.loss.name
                raise ValueError(
                    f"sample_weight is for losses that are a sum over samples, and {name} is not; leave it out"
                )
            loss.reduction = "none"
        return loss

    def _train(self, settings: Settings, arrays: Arrays, weight: NDArray[np.float64] | None, seed: int) -> None:
        device = chosen_device(self.device)
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
            torch.manual_seed(seed)
            model: Any = self.model if settings.model is None else settings.model
            self.network_ = build_network(arrays, model)
            sample_weight = None if weight is None else torch.from_numpy(weight).float()
            training = Training(settings, arrays, sample_weight, self.loss_, seed, device, self._report)
            self.loss_curve_ = training.run(self.network_)

    def _report(self, epoch: int, loss: float) -> None:
        if self.verbose:
            print(f"epoch {epoch}/{self.epochs}  loss {loss:.4f}", flush=True)

    def _correction(self, held_out: Arrays | None) -> PosthocCorrection | None:
        """The correction of the logits, which has learned what it has to from the held-out samples."""
        if self.posthoc is None:
            if self.tau is not None:
                raise ValueError(
                    "tau is the strength of a correction, but posthoc is None; set posthoc, or tau to None"
                )
            return None
        arguments = _section(self.posthoc)
        name = arguments.pop("name")
        logits = None if held_out is None else self._logits(held_out.inputs)
        counts = self.class_counts_
        if self.tau == "search":
            if held_out is None or logits is None:
                raise ValueError("tau='search' needs held-out samples; set validation_fraction, e.g. to 0.2")
            arguments["tau"] = search_tau(
                logits, held_out.targets, lambda tau: build_posthoc(name, counts, **{**arguments, "tau": tau})
            )
        elif self.tau is not None:
            arguments["tau"] = _python(self.tau)
        correction = build_posthoc(name, counts, **arguments)
        if isinstance(correction, ValidatedCorrection):
            if held_out is None or logits is None:
                raise ValueError(f"posthoc={name!r} learns from held-out samples; set validation_fraction, e.g. to 0.2")
            correction.fit(logits, held_out.targets)
        return correction

    def _logits(self, samples: NDArray[Any]) -> Tensor:
        """(N, C) float64, as trained."""
        return predicted_logits(
            self.network_, self.loss_, torch.from_numpy(samples), chosen_device(self.device)
        ).double()

    def _scores(self, inputs: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        logits = self._logits(self._checked(inputs))
        correction = self.correction_
        if isinstance(correction, PriorShift) and correction.estimated:
            correction = copy.copy(correction).fit(logits)
        return (logits if correction is None else correction.transform(logits)).numpy()


def _checks(inputs: Any) -> dict[str, Any]:
    """How scikit-learn is to check samples: tables become float32; images stay as they are, for ``Arrays`` to check."""
    images = getattr(inputs, "ndim", 2) == 4
    return {"dtype": None, "allow_nd": True} if images else {"dtype": np.float32}


def _section(given: Any) -> dict[str, Any]:
    """A name, or a mapping of a name and arguments, as a section of a recipe."""
    if isinstance(given, str):
        return {"name": given}
    if isinstance(given, Mapping) and isinstance(given.get("name"), str):
        return {key: _python(value) for key, value in given.items()}
    raise ValueError(f'a part is chosen by its name or by {{"name": ..., and its arguments}}, got {given!r}')


def _python(value: Any) -> Any:
    """A number of numpy, as searches over ranges make them, as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _counts(arrays: Arrays, weight: NDArray[np.float64] | None) -> ClassCounts:
    """Samples of each class; weighted ones count as their weights say, and each class at least as one."""
    if weight is None:
        return arrays.counts
    sums = np.bincount(arrays.targets, weights=weight, minlength=arrays.num_classes)
    return ClassCounts(np.maximum(np.rint(sums), 1).astype(np.int64))
