"""A finished run looked at again: another test profile, a post-hoc correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tailwise.counts import ClassCounts
from tailwise.data.profiles import TestProfile, subset_indices, test_counts
from tailwise.errors import InputError
from tailwise.losses import find_loss
from tailwise.metrics import classification_report
from tailwise.posthoc import (
    ClassThresholds,
    CostSensitiveDecision,
    LogitAdjustment,
    PosthocCorrection,
    PredictionRebalancing,
    PriorShift,
    TemperatureScaling,
    ValidatedCorrection,
    build_posthoc,
    posthoc_arguments,
    search_tau,
)
from tailwise.posthoc._base import checked_validation, match_classes
from tailwise.recipes.catalog import Correction
from tailwise.report.runs import Run, read_config, read_predictions, read_run

TRANSDUCTIVE = (
    "Re-balancing looked at the whole test set at once and assumes that its classes are about equally frequent; "
    "it cannot classify single samples."
)
UNCHANGED = (
    "Prior-shift correction assumes that samples of each class are as in training, only more or less frequent, and "
    "that the probabilities are calibrated."
)
VALIDATION_FREQUENCIES = (
    "Thresholds for f1 and mcc suit data with the class frequencies of the validation samples, which are those of "
    "training."
)
CALIBRATED = (
    "The least expected cost assumes that the probabilities are calibrated for a test set of these class frequencies."
)
PROFILE_SEED = 0
SHOWN_PRIORS = 10


@dataclass(frozen=True)
class FittedCorrection:
    """A correction of a run, ready for logits of its classifier, or to be fitted to them.

    ``name`` is the correction with its strength or what else was chosen, ``found`` what it learned on the run's
    validation samples, and ``caveat`` what one should know of it.
    """

    correction: PosthocCorrection
    name: str
    tau: float | None
    found: str | None
    caveat: str | None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a run's test logits as they are and, where asked for, corrected.

    ``name`` is the correction with its strength or what else was chosen, ``found`` what it learned on this run, and
    ``caveat`` what one should know of it.
    """

    plain: dict[str, float]
    corrected: dict[str, float] | None
    num_samples: int
    name: str = "as trained"
    tau: float | None = None
    found: str | None = None
    caveat: str | None = None

    @property
    def note(self) -> str | None:
        """What was found, and what one should know of it."""
        return " ".join(filter(None, (self.found, self.caveat))) or None


def evaluate(
    run_path: Path,
    posthoc: str | None,
    tau: float | Literal["search"] | None,
    test_profile: TestProfile,
    **arguments: Any,
) -> Evaluation:
    """Read the predictions of a run and report on them.

    Args:
        run_path: run directory.
        posthoc: name of a correction, or None. One that learns from a validation set does so on the run's validation
            samples, one that learns from the test set on the test logits that are reported on.
        tau: strength of a correction that has one, by default 1; "search" takes the best on the run's validation
            samples.
        test_profile: class frequencies that the test samples are thinned out to.
        **arguments: further arguments of the correction.

    Raises:
        InputError: the directory holds no finished run, the correction, its arguments or the profile do not fit it, or
            there are no validation samples to learn or search on.
    """
    run = read_run(run_path)
    train_counts = ClassCounts(run.class_counts)
    logits, targets = read_predictions(run_path)
    with _fitting_summary(run_path):
        available = ClassCounts.from_targets(targets, len(train_counts))
        rows = subset_indices(targets, test_counts(available, test_profile, train_counts), PROFILE_SEED)
        logits, targets = np.asarray(logits[rows], dtype=np.float64), targets[rows]
        plain = classification_report(logits, targets, train_counts)
    if posthoc is None:
        return Evaluation(plain, None, len(rows))
    fitted = fit_correction(run, posthoc, tau, **arguments)
    correction, found = fitted.correction, fitted.found
    try:
        if isinstance(correction, PriorShift) and correction.estimated:
            found = estimated_prior(correction.fit(logits), len(rows))
        corrected_logits = correction.transform(logits)
        corrected = classification_report(corrected_logits, targets, train_counts)
        if isinstance(correction, CostSensitiveDecision):
            before, after = (correction.mean_cost(scores, targets) for scores in (logits, corrected_logits))
            found = f"Mean cost {before:.4g} as trained, {after:.4g} by the least expected cost."
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--posthoc {posthoc}: {error}") from error
    return Evaluation(plain, corrected, len(rows), fitted.name, fitted.tau, found, fitted.caveat)


def fit_correction(
    run: Run, posthoc: str, tau: float | Literal["search"] | None = None, **arguments: Any
) -> FittedCorrection:
    """A correction of a run, with what it learns on the run's validation samples, if it does.

    One that learns from the logits that it corrects, a prior shift whose test prior is not given, has that before it.

    Args:
        run: finished.
        posthoc: name of the correction.
        tau: as of :func:`evaluate`.
        **arguments: further arguments of the correction.

    Raises:
        InputError: the correction or its arguments do not fit the run, or there are no validation samples to learn or
            search on.
    """
    train_counts = ClassCounts(run.class_counts)
    found = None
    if tau == "search":
        tau, found = _search(posthoc, run.path, train_counts)
    try:
        if tau is None and "tau" in posthoc_arguments(posthoc):
            tau = 1.0
        chosen = arguments if tau is None else {"tau": tau, **arguments}
        correction = build_posthoc(posthoc, train_counts, **chosen)
        if isinstance(correction, ValidatedCorrection):
            found = _learn(correction, run.path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--posthoc {posthoc}: {error}") from error
    return FittedCorrection(correction, _name(posthoc, chosen), tau, found, _caveat(correction, run.path))


def corrected(run: Run, name: str, posthoc: str, tau: float | None = None, **arguments: Any) -> Run:
    """The run as ``name``: with the metrics that its corrected test logits give.

    Raises:
        InputError: as for :func:`evaluate`.
    """
    evaluation = evaluate(run.path, posthoc, tau, "natural", **arguments)
    assert evaluation.corrected is not None
    notes = [*run.notes, f"{name}: {run.loss} corrected by {evaluation.name}.", evaluation.caveat]
    return replace(run, loss=name, metrics=evaluation.corrected, notes=tuple(note for note in notes if note))


def rows_of(runs: Sequence[Run], names: Sequence[str], corrections: Mapping[str, Correction]) -> list[Run]:
    """The runs that a comparison shows, row by row: those of a method, or those of another one corrected.

    Args:
        runs: of one recipe, as trained.
        names: of the rows; each that is not in ``corrections`` is a method.
        corrections: what the other rows are computed from, and how.

    Raises:
        InputError: a correction cannot be applied to a run.
    """
    shown: list[Run] = []
    for name in names:
        if (correction := corrections.get(name)) is None:
            shown += [run for run in runs if run.loss == name]
        else:
            of_method = [run for run in runs if run.loss == correction.method]
            shown += [corrected(run, name, correction.posthoc, **correction.arguments) for run in of_method]
    return shown


def row_predictions(run: Run, corrections: Mapping[str, Correction]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Test logits (N, C) and targets (N,) of one of the runs that ``rows_of`` gives, corrected where its row is.

    Raises:
        InputError: the predictions are missing, broken or not those of the run.
    """
    stored, targets = read_predictions(run.path)
    with _fitting_summary(run.path):
        counts = ClassCounts(run.class_counts)
        scores, labels = checked_validation(stored, targets)
        match_classes(scores, len(counts), "summary.json")
        ClassCounts.from_targets(labels, len(counts))
    logits = np.asarray(scores.numpy())
    if (row := corrections.get(run.loss)) is not None:
        correction = fit_correction(run, row.posthoc, **row.arguments).correction
        if isinstance(correction, PriorShift) and correction.estimated:
            correction.fit(logits)
        logits = correction.transform(logits)
    return logits, np.asarray(labels.numpy())


def corrected_in_training(run_path: Path) -> str | None:
    """What of a run's training corrects for the class frequencies already: its loss or second stage; None if neither.

    Raises:
        InputError: the configuration of the run cannot be read.
    """
    config = read_config(run_path)
    try:
        loss = find_loss(config["loss"]["name"])
        stage2 = config.get("stage2", {}).get("name", "none")
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{run_path / 'config.yaml'} is no configuration of a run ({error}); train the run again"
        ) from error
    if stage2 not in ("none", "routing"):  # routing chooses experts, and corrects nothing
        return f"the second stage {stage2}"
    return None if loss.adjust_at_test == "logit adjustment" else loss.name


@contextmanager
def _fitting_summary(run_path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the predictions of {run_path} do not fit its summary ({error}); train it again") from error


def _search(posthoc: str, run_path: Path, train_counts: ClassCounts) -> tuple[float, str]:
    """The tau with the best balanced accuracy on the validation samples, and a sentence about it."""
    logits, targets = read_predictions(run_path, "validation")
    try:
        scores = np.asarray(logits, dtype=np.float64)
        tau = search_tau(scores, targets, lambda tau: build_posthoc(posthoc, train_counts, tau=tau))
    except ValueError as error:
        raise InputError(f"--posthoc {posthoc} --tau search: {error}") from error
    where = f"on the run's {len(targets)} validation samples"
    if tau == 0:
        return tau, f"tau 0: no correction has a better balanced accuracy {where}."
    return tau, f"tau {tau:g} has the best balanced accuracy {where}."


def _learn(correction: ValidatedCorrection, run_path: Path) -> str:
    """Fit the correction on the validation samples; what came out, as a sentence."""
    logits, targets = read_predictions(run_path, "validation")
    correction.fit(np.asarray(logits, dtype=np.float64), targets)
    rarest = np.bincount(targets, minlength=logits.shape[1]).min()
    where = f"on the run's {len(targets)} validation samples"
    if isinstance(correction, TemperatureScaling):
        return f"Temperature {correction.temperature_:.4g} has the best likelihood {where}."
    assert isinstance(correction, ClassThresholds)
    thresholds = correction.thresholds_.tolist()
    best = f"best for {correction.metric.replace('_', ' ')} {where}, of which the rarest class has {rarest}."
    if len(thresholds) == 2:
        return f"Class 1 is predicted above probability {thresholds[1]:.4g}, {best}"
    return f"Thresholds from {min(thresholds):.4g} to {max(thresholds):.4g}, {best}"


def estimated_prior(correction: PriorShift, num_samples: int) -> str:
    """The test prior that was estimated, as a sentence."""
    assert correction.test_prior_ is not None
    prior = correction.test_prior_.tolist()
    shown = ", ".join(f"{share:.3f}" for share in prior)
    shown = shown if len(prior) <= SHOWN_PRIORS else f"{min(prior):.2g} to {max(prior):.2g}"
    return f"Test prior {shown}, estimated from all {num_samples} test logits at once."


def _name(posthoc: str, arguments: Mapping[str, Any]) -> str:
    """The correction with what was chosen of it."""
    parts = [posthoc]
    if "tau" in arguments:
        parts.append(f"tau {arguments['tau']:g}")
    if "metric" in arguments:
        parts.append(f"best {arguments['metric'].replace('_', ' ')}")
    if "test_prior" in arguments:
        uniform = isinstance(arguments["test_prior"], str)
        parts.append("uniform test prior" if uniform else "given test prior")
    return ", ".join(parts)


def _caveat(correction: PosthocCorrection, run_path: Path) -> str | None:
    """What one should know of a correction of this run."""
    if isinstance(correction, PredictionRebalancing):
        return TRANSDUCTIVE
    if isinstance(correction, ClassThresholds):
        return VALIDATION_FREQUENCIES if correction.metric in ("f1", "mcc") else None
    if isinstance(correction, CostSensitiveDecision):
        return CALIBRATED
    if not isinstance(correction, (LogitAdjustment, PriorShift)):
        return None
    caveats = [UNCHANGED] if isinstance(correction, PriorShift) else []
    if (trained_with := corrected_in_training(run_path)) is not None:
        caveats.append(
            f"This run was trained with {trained_with}, which corrects for the class frequencies already: "
            "adjusting its logits once more is likely to make it worse."
        )
    return " ".join(caveats) or None
