"""A trained classifier as one uses it: files or arrays in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tailwise.errors import InputError
from tailwise.posthoc import POSTHOC, PriorShift, TemperatureScaling
from tailwise.prediction.decision import DECIDES_ALONE, Decision
from tailwise.prediction.files import Sample, SampleReader, raise_first
from tailwise.prediction.network import TrainedNetwork, trained_network
from tailwise.reading import expanded
from tailwise.recipes.catalog import catalog, validate
from tailwise.recipes.config import Recipe
from tailwise.report.evaluation import estimated_prior, fit_correction
from tailwise.report.runs import Run, read_config, read_predictions, read_run
from tailwise.training.device import Device, chosen_device

BATCH_SIZE = 256
UNCALIBRATED = (
    "Probabilities are not calibrated: no samples were held out to calibrate them on; train again, to another --out, "
    "with --set data.validation_fraction=0.1."
)
NOT_FINITE = "are not finite; its numbers are far beyond those of training"
NOT_CALIBRATED_AFTER = "Probabilities are those of the corrected logits, which nothing has calibrated."


@dataclass(frozen=True)
class Prediction:
    """What is predicted of one sample: probabilities (C,) and the index of the class.

    After thresholds or costs the class need not be the most probable one.
    """

    sample: Sample
    probabilities: NDArray[np.float64]
    index: int


class Predictor:
    """A run's classifier, made by ``tailwise.load``.

    Inputs are, for a run on images, uint8 (N, H, W, channels) or one image; for a run on a table, numbers (N, F), one
    row, or a data frame with the columns of training. Or a path or a list of paths: of image files, of CSV, Parquet or
    npz files, or of folders of them, read and resized as the data of the run were.

    Attributes:
        run: the summary of the run.
        network: raw inputs to logits, a module.
        reader: files and arrays to raw inputs.
        decision: logits to probabilities and classes.
    """

    def __init__(
        self,
        run: Run,
        network: TrainedNetwork,
        reader: SampleReader,
        decision: Decision,
        notes: Sequence[str],
        device: Literal["cpu", "cuda"],
    ) -> None:
        self.run = run
        self.network = network.to(device)
        self.reader = reader
        self.decision = decision
        self.device = device
        self._notes = tuple(notes)
        self._estimated: str | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names, in the order of the probabilities."""
        return self.run.class_names

    @property
    def notes(self) -> tuple[str, ...]:
        """What one should know of the predictions: the correction, what it learned, whether they are calibrated."""
        return self._notes if self._estimated is None else (*self._notes, self._estimated)

    def logits(self, inputs: Any, batch_size: int = BATCH_SIZE) -> NDArray[np.float32]:
        """(N, C) as trained: neither corrected nor calibrated.

        Raises:
            InputError: the inputs are not what the network takes, or a file cannot be read.
        """
        if isinstance(inputs, (str, Path)) or _are_paths(inputs):
            files = self.reader.files([inputs] if isinstance(inputs, (str, Path)) else inputs)
            chunks = [arrays for _, arrays in self.reader.batches(files, batch_size, raise_first)]
        else:
            given = self.reader.arrays(inputs)
            chunks = [given[first : first + batch_size] for first in range(0, len(given), batch_size)]
        logits = np.concatenate([self._logits(chunk) for chunk in chunks])
        if not np.isfinite(logits).all():
            row = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
            raise InputError(f"the logits of input {row} {NOT_FINITE}")
        return logits

    def predict_proba(self, inputs: Any, batch_size: int = BATCH_SIZE) -> NDArray[np.float64]:
        """Probabilities (N, C).

        Raises:
            InputError: as for ``logits``, or the correction looks at all samples at once and these are too few.
        """
        return self.decide(self.logits(inputs, batch_size))[0]

    def predict(self, inputs: Any, batch_size: int = BATCH_SIZE) -> NDArray[np.str_]:
        """Names (N,) of the classes.

        Raises:
            InputError: as for ``predict_proba``.
        """
        return np.array(self.class_names)[self.decide(self.logits(inputs, batch_size))[1]]

    def decide(self, logits: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Probabilities (N, C) and class indices (N,) of logits (N, C) of this run.

        Raises:
            InputError: the correction looks at all samples at once and these are too few.
        """
        probabilities, indices = self.decision(torch.from_numpy(np.asarray(logits, dtype=np.float64)))
        correction = self.decision.correction
        if isinstance(correction, PriorShift) and correction.estimated:
            self._estimated = estimated_prior(correction, len(logits))
        return probabilities.numpy(), indices.numpy()

    def stream(
        self,
        paths: Sequence[str | Path],
        batch_size: int = BATCH_SIZE,
        refused: Callable[[InputError], None] = raise_first,
        finished: Callable[[Path], None] = lambda file: None,
    ) -> Iterator[list[Prediction]]:
        """Predict files batch by batch, in their order, holding one batch in memory.

        Where the correction looks at all samples at once, the logits of all are held, and the predictions come last.

        Args:
            paths: files and folders.
            batch_size: most samples at a time.
            refused: told of what cannot be read, a file or one sample of it, which is then left out.
            finished: told of each file that is done.

        Raises:
            InputError: a path does not exist, or the correction looks at all samples and these are too few.
        """
        held: list[tuple[list[Sample], NDArray[np.float32]]] = []
        for samples, arrays in self.reader.batches(self.reader.files(paths), batch_size, refused, finished):
            logits = self._logits(arrays)
            finite = np.isfinite(logits).all(axis=1)
            for row in np.flatnonzero(~finite).tolist():
                refused(InputError(f"the logits of {samples[row]} {NOT_FINITE}"))
            samples, logits = [samples[row] for row in np.flatnonzero(finite)], logits[finite]
            if self.decision.needs_all:
                held.append((samples, logits))
            else:
                yield self._predictions(samples, logits)
        if held:
            together = [sample for samples, _ in held for sample in samples]
            yield self._predictions(together, np.concatenate([logits for _, logits in held]))

    def _predictions(self, samples: Sequence[Sample], logits: NDArray[np.float32]) -> list[Prediction]:
        probabilities, indices = self.decide(logits)
        return [Prediction(*one) for one in zip(samples, probabilities, indices.tolist(), strict=True)]

    def _logits(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(self.network(torch.from_numpy(inputs).to(self.device)).cpu().numpy())


def load(
    run: str | Path,
    posthoc: str | None = None,
    *,
    tau: float | Literal["search"] | None = None,
    device: Device = "auto",
    **arguments: Any,
) -> Predictor:
    """The classifier that a finished run trained, ready to predict.

    Several experts, a router, a second stage and networks of timm are rebuilt from the run's recipe; the weights are
    read by safetensors. Without a correction, probabilities are calibrated by a temperature found on the run's
    validation samples, where it has any, which leaves the predicted classes as they are; with a correction they are
    the probabilities that ``tailwise evaluate`` computes for it.

    Args:
        run: run directory.
        posthoc: a correction of ``tailwise evaluate``, fitted to the same samples with the same result, or the name
            of a row of ``corrections`` of the run's recipe, if that comes with the package.
        tau: strength of a correction that has one, by default 1; "search" finds it on the validation samples.
        device: where to compute; "auto" takes CUDA where there is one.
        **arguments: further arguments of the correction, such as ``test_prior``.

    Raises:
        InputError: there is no finished run, a file of it is missing, broken or of another run, the correction does not
            fit it, or there is no such device.
    """
    path = expanded(run)
    summary = read_run(path)
    recipe = validate(Recipe, read_config(path), f"{path / 'config.yaml'}")
    if summary.input_shape is None:
        raise InputError(f"{path} does not say what its inputs are: an earlier version trained it; train it again")
    reader = SampleReader(recipe.data.source, summary.input_shape, summary.feature_names)
    network = trained_network(path, recipe, summary.input_shape, summary.class_counts)
    decision, notes = _decision(summary, recipe, posthoc, tau, arguments)
    return Predictor(summary, network, reader, decision, notes, chosen_device(device))


def _decision(
    run: Run, recipe: Recipe, posthoc: str | None, tau: float | Literal["search"] | None, arguments: dict[str, Any]
) -> tuple[Decision, list[str]]:
    """The correction and the calibration of a run, and what one should know of them."""
    notes: list[str] = []
    correction = None
    if posthoc is not None:
        posthoc, tau, arguments = _named_in_recipe(run, posthoc, tau, arguments)
        fitted = fit_correction(run, posthoc, tau, **arguments)
        correction = fitted.correction
        notes = [f"Corrected by {fitted.name}.", *filter(None, (fitted.found, fitted.caveat))]
    if correction is not None and not isinstance(correction, DECIDES_ALONE):
        if not isinstance(correction, TemperatureScaling):
            notes.append(NOT_CALIBRATED_AFTER)
        return Decision(correction), notes
    if recipe.data.validation_fraction == 0:
        return Decision(correction), [*notes, UNCALIBRATED]
    logits, targets = read_predictions(run.path, "validation")
    try:
        calibration = TemperatureScaling().fit(np.asarray(logits, dtype=np.float64), targets)
    except ValueError as error:
        return Decision(correction), [*notes, f"Probabilities are not calibrated: {error}."]
    notes.append(
        "Probabilities are calibrated, for data with the class frequencies of training, by temperature "
        f"{calibration.temperature_:.4g}, which has the best likelihood on the run's {len(targets)} validation samples."
    )
    return Decision(correction, calibration), notes


def _named_in_recipe(
    run: Run, posthoc: str, tau: float | Literal["search"] | None, arguments: dict[str, Any]
) -> tuple[str, float | Literal["search"] | None, dict[str, Any]]:
    """The correction that a row of the run's recipe stands for; what is no such row as it is."""
    template = catalog().get(run.recipe)
    if template is None and posthoc not in POSTHOC:
        raise InputError(
            f"there is no correction {posthoc!r}; take one of {', '.join(POSTHOC)}: rows under corrections are "
            "known of the recipes that come with the package, not of your own"
        )
    if template is None or posthoc not in template.corrections:
        return posthoc, tau, arguments
    row = template.corrections[posthoc]
    if row.method != run.loss:
        raise InputError(f"{posthoc} corrects {row.method}, but the run at {run.path} is of {run.loss}")
    if tau is not None or arguments:
        raise InputError(f"{posthoc} has its arguments from its recipe; give none, or name {row.posthoc} itself")
    own = row.arguments
    return row.posthoc, own.pop("tau", None), own


def _are_paths(inputs: Any) -> bool:
    return isinstance(inputs, (list, tuple)) and bool(inputs) and all(isinstance(one, (str, Path)) for one in inputs)
