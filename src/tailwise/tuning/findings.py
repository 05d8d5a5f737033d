"""What a search has found: the best trial, how sure that is, each method at its default and best, what mattered."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tailwise.errors import InputError
from tailwise.tuning.correction import Judge, judged, standard_error
from tailwise.tuning.plan import Plan
from tailwise.tuning.search import pooled
from tailwise.tuning.study import METHOD, Outcome, Record
from tailwise.tuning.validation import HeldOut

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FEWEST_FOR_IMPORTANCE = 10


@dataclass(frozen=True)
class MethodFindings:
    """A method's trials: how many, the value of its own settings, and the best; None where none has a verdict."""

    trials: int
    default: float | None
    best: Outcome | None


@dataclass(frozen=True)
class Findings:
    """What a search has found.

    best: the trial that was chosen. standard_error: of its value, by the bootstrap over the held-out samples.
    within: the trials whose value is no further from the best than that, itself among them.
    importances: share of the variance of the values that a parameter explains; of all trials, or of one method's.
    """

    plan: Plan
    held_out: HeldOut
    outcomes: list[Outcome]
    best: Outcome
    standard_error: float
    within: list[int]
    methods: dict[str, MethodFindings]
    importances: dict[str, dict[str, float]]

    @property
    def judge(self) -> Judge:
        """The metric of the search."""
        return Judge(self.plan.metric, self.plan.class_counts)

    @property
    def best_first(self) -> list[Outcome]:
        """The trials with a verdict that were trained, the best one first."""
        trained = [outcome for outcome in self.outcomes if outcome.verdict and outcome.copied is None]
        return sorted(trained, key=lambda o: (o.value if self.judge.lower_is_better else -o.value, o.number))

    @property
    def failed(self) -> list[Outcome]:
        """The trials that failed."""
        return [outcome for outcome in self.outcomes if outcome.reason is not None]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "metric": self.plan.metric,
            "folds": self.plan.folds,
            "validation_fraction": self.plan.fraction,
            "seed": self.plan.seed,
            "held_out": dict(zip(self.held_out.class_names, self.held_out.counts, strict=True)),
            "trials": [_outcome_dict(outcome) for outcome in self.outcomes],
            "best": self.best.number,
            "standard_error": self.standard_error,
            "within_standard_error": self.within,
            "methods": {
                name: {"trials": of.trials, "default": of.default, "best": of.best.number if of.best else None}
                for name, of in self.methods.items()
            },
            "importances": self.importances,
        }


def find(record: Record, held_out: HeldOut) -> Findings:
    """Read the trials of a search.

    Raises:
        InputError: no trial has a verdict.
    """
    plan = record.plan
    judge = Judge(plan.metric, plan.class_counts)
    outcomes = record.ended()
    good = [outcome for outcome in outcomes if outcome.verdict]
    if not good:
        reasons = [outcome.reason for outcome in outcomes if outcome.reason] or ["none was trained"]
        raise InputError(f"no trial succeeded, so there is nothing to choose; the first one: {reasons[0]}")
    best = _best(good, judge)
    folder = record.out / "trials" / f"{best.number:04}"
    logits, targets, counts = pooled([folder / f"fold-{fold}" for fold in range(plan.folds)])
    _, scores = judged(logits, targets, judge, plan.posthoc, counts)
    error = standard_error(scores, targets, judge)
    within = [o.number for o in good if o.copied is None and abs(o.value - best.value) <= error]
    methods = {name: _of_method([o for o in outcomes if o.method == name], judge) for name in plan.methods}
    return Findings(plan, held_out, outcomes, best, error, within, methods, _importances(record, best.method))


def _best(outcomes: Sequence[Outcome], judge: Judge) -> Outcome:
    """The best one; of equally good ones the first."""
    best = outcomes[0]
    for outcome in outcomes:
        best = outcome if judge.better(outcome.value, best.value) else best
    return best


def _of_method(outcomes: Sequence[Outcome], judge: Judge) -> MethodFindings:
    good = [outcome for outcome in outcomes if outcome.verdict]
    default = next((outcome.value for outcome in good if outcome.default), None)
    trained = sum(outcome.copied is None for outcome in outcomes)
    return MethodFindings(trained, default, _best(good, judge) if good else None)


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    verdict = None if outcome.verdict is None else dataclasses.asdict(outcome.verdict)
    return {**dataclasses.asdict(outcome), "verdict": verdict}


def _importances(record: Record, method: str) -> dict[str, dict[str, float]]:
    """Of what all trials have, and of what the chosen method's have; nothing where there are too few of them."""
    complete = [trial for trial in record.trials if trial.state.name == "COMPLETE"]
    found = {"all trials": complete, method: [trial for trial in complete if trial.params[METHOD] == method]}
    computed = {what: _importance_among(trials, record) for what, trials in found.items()}
    return {what: importance for what, importance in computed.items() if importance}


def _importance_among(trials: Sequence[FrozenTrial], record: Record) -> dict[str, float]:
    names = set.intersection(*(set(trial.params) for trial in trials)) if trials else set()
    varying = [name for name in names if len({trial.params[name] for trial in trials}) > 1]
    if len(trials) < FEWEST_FOR_IMPORTANCE or len(varying) < 2 or len({trial.value for trial in trials}) == 1:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction=record.study.direction)
        study.add_trials(list(trials))
        importances = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=sorted(varying))
    return {name: float(share) for name, share in importances.items()}
