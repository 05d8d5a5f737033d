"""A finished run looked at again: another test profile, a post-hoc correction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from tailwise.counts import ClassCounts
from tailwise.data.profiles import TestProfile, subset_indices, test_counts
from tailwise.errors import InputError
from tailwise.losses import find_loss
from tailwise.metrics import classification_report
from tailwise.posthoc import build_posthoc, search_tau
from tailwise.report.runs import Run, read_config, read_predictions, read_run

TRANSDUCTIVE = (
    "Re-balancing looked at the whole test set at once and assumes that its classes are about equally frequent; "
    "it cannot classify single samples."
)
PROFILE_SEED = 0


@dataclass(frozen=True)
class Evaluation:
    """Metrics of a run's test logits as they are and, where asked for, corrected with ``tau``."""

    plain: dict[str, float]
    corrected: dict[str, float] | None
    tau: float | None
    num_samples: int
    note: str | None


def evaluate(
    run_path: Path, posthoc: str | None, tau: float | Literal["search"], test_profile: TestProfile
) -> Evaluation:
    """Read the predictions of a run and report on them.

    Args:
        run_path: run directory.
        posthoc: name of a correction, or None.
        tau: its strength; "search" takes the best on the run's validation samples.
        test_profile: class frequencies that the test samples are thinned out to.

    Raises:
        InputError: the directory holds no finished run, the correction or the profile does not fit it, or there are no
            validation samples to search on.
    """
    run = read_run(run_path)
    train_counts = ClassCounts(run.class_counts)
    logits, targets = read_predictions(run_path)
    try:
        available = ClassCounts.from_targets(targets, len(train_counts))
        rows = subset_indices(targets, test_counts(available, test_profile, train_counts), PROFILE_SEED)
        logits, targets = np.asarray(logits[rows], dtype=np.float64), targets[rows]
        plain = classification_report(logits, targets, train_counts)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the predictions of {run_path} do not fit its summary ({error}); train it again") from error
    if posthoc is None:
        return Evaluation(plain, None, None, len(rows), None)
    note = _note(posthoc, run_path)
    if tau == "search":
        tau, found = _search(posthoc, run_path, train_counts)
        note = found if note is None else f"{found} {note}"
    try:
        corrected_logits = build_posthoc(posthoc, train_counts, tau).transform(logits)
        corrected = classification_report(corrected_logits, targets, train_counts)
    except ValueError as error:
        raise InputError(f"--posthoc {posthoc} with tau {tau:g}: {error}") from error
    return Evaluation(plain, corrected, tau, len(rows), note)


def corrected(run: Run, name: str, posthoc: str, tau: float) -> Run:
    """The run as ``name``: with the metrics that its corrected test logits give.

    Raises:
        InputError: as for :func:`evaluate`.
    """
    evaluation = evaluate(run.path, posthoc, tau, "natural")
    assert evaluation.corrected is not None
    notes = [*run.notes, f"{name}: {run.loss} corrected by {posthoc}, tau {tau:g}.", evaluation.note]
    return replace(run, loss=name, metrics=evaluation.corrected, notes=tuple(note for note in notes if note))


def _search(posthoc: str, run_path: Path, train_counts: ClassCounts) -> tuple[float, str]:
    """The tau with the best balanced accuracy on the validation samples, and a sentence about it."""
    logits, targets = read_predictions(run_path, "validation")
    try:
        scores = np.asarray(logits, dtype=np.float64)
        tau = search_tau(scores, targets, lambda tau: build_posthoc(posthoc, train_counts, tau))
    except ValueError as error:
        raise InputError(f"--posthoc {posthoc} --tau search: {error}") from error
    where = f"on the run's {len(targets)} validation samples"
    if tau == 0:
        return tau, f"tau 0: no correction has a better balanced accuracy {where}."
    return tau, f"tau {tau:g} has the best balanced accuracy {where}."


def _note(posthoc: str, run_path: Path) -> str | None:
    """What one should know of a correction of this run."""
    if posthoc == "rebalance":
        return TRANSDUCTIVE
    config = read_config(run_path)
    loss = find_loss(config["loss"]["name"])
    stage2 = config.get("stage2", {}).get("name", "none")
    if stage2 == "none" and loss.adjust_at_test == "logit adjustment":
        return None
    trained_with = loss.name if stage2 == "none" else f"the second stage {stage2}"
    return (
        f"This run was trained with {trained_with}, which corrects for the class frequencies already: "
        "adjusting its logits once more is likely to make it worse."
    )
