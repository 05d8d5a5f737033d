"""The record of a search: an Optuna study in a journal of JSON lines, which several processes may work on.

Any of them may be killed at any point. Nothing is pickled: of Optuna's storages that one writes JSON alone.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from tailwise.errors import InputError
from tailwise.report.comparison import LOWER_IS_BETTER
from tailwise.training.hold import locked
from tailwise.training.run_directory import first_difference
from tailwise.tuning.correction import Verdict
from tailwise.tuning.plan import Method, Parameter, Plan
from tailwise.tuning.space import Choices, Range, Value

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

JOURNAL = "study.jsonl"
METHOD = "method"


@dataclass(frozen=True)
class Outcome:
    """A trial that has ended: its verdict, or the reason for which it failed.

    default: whether the method has its own settings. copied: the earlier trial with the same settings, whose verdict
    it has. values: what of the method varies.
    """

    number: int
    method: str
    values: dict[str, Value]
    default: bool
    seconds: float
    verdict: Verdict | None = None
    reason: str | None = None
    copied: int | None = None

    @property
    def value(self) -> float:
        """What the trial counts with; only of one that has a verdict."""
        assert self.verdict is not None
        return self.verdict.value


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on: no other takes it up while the file is locked."""

    trial: Trial
    method: str
    values: dict[str, Value]
    folder: Path
    lock: IO[Any]


class Record:
    """The trials of one search, in OUT/study.jsonl."""

    def __init__(self, out: Path, plan: Plan) -> None:
        """Begin a search in ``out``, or go on with the one that is there.

        Raises:
            InputError: Optuna is not installed, the folder cannot be written, or it holds another search.
        """
        self.out = out
        self.plan = plan
        optuna = _optuna()
        try:
            out.mkdir(parents=True, exist_ok=True)
            backend = optuna.storages.journal.JournalFileBackend(
                str(out / JOURNAL), None if sys.platform == "win32" else _JournalLock(out / JOURNAL)
            )
        except OSError as error:
            raise InputError(f"cannot write to {out}: {error.strerror}; choose another --out") from error
        with self._alone():
            try:
                self.study: Study = optuna.create_study(
                    storage=optuna.storages.JournalStorage(backend),
                    study_name="tune",
                    direction="minimize" if plan.metric in LOWER_IS_BETTER else "maximize",
                    load_if_exists=True,
                )
            except (ValueError, KeyError) as error:
                raise InputError(f"{out / JOURNAL} is broken ({error}); choose another --out") from error
            self._begin_or_go_on()

    def _begin_or_go_on(self) -> None:
        # Through JSON and back, as the recorded one went.
        plan = json.loads(json.dumps(self.plan.record()))
        if "plan" not in self.study.user_attrs:
            self.study.set_user_attr("plan", plan)
        different = first_difference(self.study.user_attrs["plan"], plan)
        if different:
            raise InputError(f"{self.out} holds a search with another {different}; choose another --out or delete it")
        queued = {trial.user_attrs.get("default") for trial in self.study.get_trials(deepcopy=False)}
        for method in self.plan.methods.values():
            if method.name not in queued:
                own = {parameter.name: parameter.default for parameter in method.parameters}
                self.study.enqueue_trial({METHOD: method.name, **own}, user_attrs={"default": method.name})

    @property
    def trials(self) -> list[FrozenTrial]:
        """All of them, begun or not."""
        return self.study.get_trials(deepcopy=False)

    def waiting(self) -> int:
        """How many defaults are queued and not begun."""
        return sum(trial.state.name == "WAITING" for trial in self.trials)

    def ended(self) -> list[Outcome]:
        """The trials that have ended, in the order of their numbers."""
        return [_outcome(trial, self.plan) for trial in self.trials if trial.state.name in ("COMPLETE", "FAIL")]

    def claimed(self, number: int, limit: int | None) -> list[Claim]:
        """Trials to work on: those that a process left behind when it died, those that are queued, then new ones.

        Args:
            number: how many at most.
            limit: of trials in all; None is without.
        """
        claims: list[Claim] = []
        with self._alone():
            left = [trial.number for trial in self.trials if trial.state.name == "RUNNING"]
            for place in left:
                if len(claims) < number and (lock := self._claim(place)):
                    claims.append(self._continued(place, lock))
            while len(claims) < number and (self.waiting() or limit is None or len(self.trials) < limit):
                claims.append(self._asked())
        return claims

    def _asked(self) -> Claim:
        # What is suggested follows from the seed, the number and the trials so far: a search that was stopped and goes
        # on suggests what it would have suggested.
        self.study.sampler = self._sampler(len(self.trials))
        trial = self.study.ask()
        lock = self._claim(trial.number)
        assert lock is not None  # nobody else asks meanwhile
        return self._claim_of(trial, lock)

    def _continued(self, number: int, lock: IO[Any]) -> Claim:
        from optuna import Trial

        self.study.sampler = self._sampler(number)
        return self._claim_of(Trial(self.study, self.trials[number]._trial_id), lock)

    def _claim_of(self, trial: Trial, lock: IO[Any]) -> Claim:
        name = trial.suggest_categorical(METHOD, list(self.plan.methods))
        assert isinstance(name, str)
        values = {parameter.name: _suggested(trial, parameter) for parameter in self.plan.methods[name].parameters}
        return Claim(trial, name, values, self._folder(trial.number), lock)

    def _sampler(self, number: int) -> Any:
        seed = int(np.random.SeedSequence((self.plan.seed, number)).generate_state(1)[0])
        return _optuna().samplers.TPESampler(seed=seed)

    def twin(self, claim: Claim) -> Outcome | None:
        """The first trial that has a verdict on the same settings."""
        same = (o for o in self.ended() if o.verdict and (o.method, o.values) == (claim.method, claim.values))
        return next(same, None)

    def judged(self, claim: Claim, verdict: Verdict, seconds: float, copied: int | None = None) -> None:
        """End a trial with its verdict."""
        self._note(claim, {"verdict": asdict(verdict), "seconds": seconds, "copied": copied})
        self._tell(claim, verdict.value)

    def failed(self, claim: Claim, reason: str, seconds: float) -> None:
        """End a trial without one."""
        self._note(claim, {"reason": reason, "seconds": seconds})
        self._tell(claim, None)

    def _note(self, claim: Claim, attributes: Mapping[str, Any]) -> None:
        for key, value in attributes.items():
            claim.trial.set_user_attr(key, value)

    def _tell(self, claim: Claim, value: float | None) -> None:
        from optuna.trial import TrialState

        self.study.tell(claim.trial, value, None if value is not None else TrialState.FAIL)
        claim.lock.close()

    def elsewhere(self) -> int:
        """How many trials other processes are at."""
        number = 0
        for trial in self.trials:
            if trial.state.name == "RUNNING":
                lock = self._claim(trial.number)
                number += lock is None
                if lock is not None:
                    lock.close()
        return number

    def _folder(self, number: int) -> Path:
        return self.out / "trials" / f"{number:04}"

    def _claim(self, number: int) -> IO[Any] | None:
        folder = self._folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        if locked(lock):
            return lock
        lock.close()
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process asks for trials meanwhile."""
        with (self.out / "lock").open("w") as lock:
            locked(lock, wait=True)
            yield


class _JournalLock:
    """Held while a line is written; ends with its process. A line that a process left half written is cut off."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.file: IO[Any] | None = None

    def acquire(self) -> bool:
        """Wait for the lock."""
        self.file = self.journal.with_suffix(".lock").open("w")
        locked(self.file, wait=True)
        with self.journal.open("rb+") as journal:
            size = journal.seek(0, os.SEEK_END)
            while size and (journal.seek(size - 1), journal.read(1))[1] != b"\n":
                size -= 1
            journal.truncate(size)
        return True

    def release(self) -> None:
        """Let go of it."""
        assert self.file is not None
        self.file.close()


def _optuna() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import optuna
            import optuna.storages.journal
    except ImportError:
        raise InputError('tune needs Optuna, which is not installed: pip install "tailwise[tune]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _suggested(trial: Trial, parameter: Parameter) -> Value:
    domain = parameter.domain
    if isinstance(domain, Range):
        return domain.rounded(trial.suggest_float(parameter.name, domain.low, domain.high, log=domain.log))
    value = trial.suggest_categorical(parameter.name, list(domain.values))
    assert value is not None
    return value


def _values(method: Method, params: Mapping[str, Any]) -> dict[str, Value]:
    found = {}
    for parameter in method.parameters:
        value = params[parameter.name]
        found[parameter.name] = value if isinstance(parameter.domain, Choices) else parameter.domain.rounded(value)
    return found


def _outcome(trial: FrozenTrial, plan: Plan) -> Outcome:
    attributes = trial.user_attrs
    method = trial.params[METHOD]
    verdict = attributes.get("verdict")
    return Outcome(
        number=trial.number,
        method=method,
        values=_values(plan.methods[method], trial.params),
        default="default" in attributes,
        seconds=attributes["seconds"],
        verdict=None if verdict is None or trial.state.name == "FAIL" else Verdict(**verdict),
        reason=attributes.get("reason"),
        copied=attributes.get("copied"),
    )
