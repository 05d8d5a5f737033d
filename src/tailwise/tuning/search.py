"""The search itself: claim trials, train them, judge them, until there are enough or the time is up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tailwise.counts import ClassCounts
from tailwise.errors import InputError
from tailwise.report.runs import read_predictions
from tailwise.training.engine import RunOptions
from tailwise.training.run_directory import RunDirectory
from tailwise.training.sweep import Failure, Job, sweep
from tailwise.tuning.correction import Judge, Logits, Targets, Verdict, judged
from tailwise.tuning.plan import Plan
from tailwise.tuning.study import Claim, Record

NOTHING_NEW = 20
"""So many settings in a row that were tried before, and the search ends: the space holds no others."""


@dataclass(frozen=True)
class Limits:
    """When a search ends: after so many trials in all, or when no trial may begin any more; at least one is given."""

    trials: int | None
    minutes: float | None


def search_trials(
    record: Record,
    limits: Limits,
    options: RunOptions,
    processes: int,
    on_epoch: Callable[[dict[str, Any]], None],
) -> None:
    """Try settings until a limit is reached; a search that was stopped goes on where it was.

    Trials are begun together, as many as keep the processes busy, and judged when all of them have ended: what is tried
    next follows from the seed and the number of processes, not from which of them is the fastest.

    Raises:
        InputError: no trial of the first ones could be trained, for a reason that is the same for all.
    """
    plan = record.plan
    options = replace(options, tested=False)
    deadline = None if limits.minutes is None else time.monotonic() + 60 * limits.minutes
    repeated = 0
    while repeated < NOTHING_NEW and (deadline is None or time.monotonic() < deadline):
        together = 1 if processes == 1 else max(record.waiting(), -(-processes // plan.folds))
        claims = record.claimed(together, limits.trials)
        if not claims:
            return
        fresh = []
        for claim in claims:
            if twin := record.twin(claim):
                assert twin.verdict is not None
                record.judged(claim, twin.verdict, 0.0, twin.number)
                repeated += 1
            else:
                fresh.append(claim)
        if fresh:
            repeated = 0
            _train_and_judge(record, fresh, options, processes, on_epoch)


def epochs_to_come(record: Record, limits: Limits) -> int | None:
    """Of the trials that are left, at most; None where the time alone ends the search."""
    if limits.trials is None:
        return None
    ended = len(record.ended())
    return (max(limits.trials, ended + record.waiting()) - ended) * record.plan.epochs_of_a_trial


def _train_and_judge(
    record: Record,
    claims: list[Claim],
    options: RunOptions,
    processes: int,
    on_epoch: Callable[[dict[str, Any]], None],
) -> None:
    plan = record.plan
    jobs = {claim.folder: [_job(plan, claim, fold) for fold in range(plan.folds)] for claim in claims}
    everything = [job for of_trial in jobs.values() for job in of_trial]
    failures = sweep(everything, options, processes, on_epoch, stop_at_bad_input=False)
    reasons = {failure.job.out.parent: failure for failure in failures}
    if len(reasons) == len(claims) and all(failure.bad_input for failure in failures) and not _any_success(record):
        # Most likely wrong of all trials, a folder or a device: nothing is recorded, and the next search tries again.
        raise InputError(failures[0].reason)
    for claim in claims:
        places = [job.out for job in jobs[claim.folder]]
        verdict = _verdict(places, plan, reasons.get(claim.folder))
        seconds = sum(RunDirectory(place).read_summary()["seconds"] for place in places if _finished(place))
        for place in places:
            _keep_what_reports_need(place)
        if isinstance(verdict, Verdict):
            record.judged(claim, verdict, seconds)
        else:
            record.failed(claim, verdict, seconds)


def _any_success(record: Record) -> bool:
    return any(outcome.verdict for outcome in record.ended())


def _job(plan: Plan, claim: Claim, fold: int) -> Job:
    folder = claim.folder / f"fold-{fold}"
    return Job(plan.trial_recipe(claim.method, claim.values, fold), folder, f"trial {claim.trial.number}, fold {fold}")


def _verdict(places: list[Path], plan: Plan, failure: Failure | None) -> Verdict | str:
    """What the held-out samples say, or why they say nothing."""
    if failure is not None:
        return failure.reason
    logits, targets, counts = pooled(places)
    if not np.isfinite(logits).all():
        return "the logits of held-out samples are not finite"
    return judged(logits, targets, Judge(plan.metric, plan.class_counts), plan.posthoc, counts)[0]


def pooled(places: list[Path]) -> tuple[Logits, Targets, ClassCounts]:
    """The held-out samples of all folds of a trial as one set, and the training counts, the same of each fold."""
    parts = [read_predictions(place, "validation") for place in places]
    counts = ClassCounts(RunDirectory(places[0]).read_summary()["class_counts"])
    logits = np.concatenate([logits for logits, _ in parts]).astype(np.float64)
    return logits, np.concatenate([targets for _, targets in parts]), counts


def _finished(place: Path) -> bool:
    return RunDirectory(place).finished


def _keep_what_reports_need(place: Path) -> None:
    """Weights and checkpoints of a trial are of no more use: its setting is trained anew if it is chosen."""
    for file in ("weights.safetensors", "router.safetensors"):
        (place / file).unlink(missing_ok=True)
    shutil.rmtree(place / "state", ignore_errors=True)
