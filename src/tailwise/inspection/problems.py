"""What is wrong with a data set, or makes its test say less than it seems to, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tailwise.inspection.findings import Inspection, Twins

FEW_TO_TEST = 10
"""Test samples of a class below which its recall moves in steps of more than ten points."""


@dataclass(frozen=True)
class Problem:
    """One problem.

    Args:
        what: there is, in a line.
        mend: what to do about it.
        cases: the samples or classes that it is about.
        twins: pairs of samples that it is about.
    """

    what: str
    mend: str
    cases: tuple[str, ...] = ()
    twins: tuple[Twins, ...] = ()


def problems(found: Inspection) -> list[Problem]:
    """The problems, those that spoil a result most first."""
    checks: Sequence[Callable[[Inspection], Iterable[Problem]]] = (
        *(_broken, _leaked, _contradicting, _missing),
        *(_hard_to_test, _repeated),
    )
    return [problem for check in checks for problem in check(found)]


def _broken(found: Inspection) -> Iterable[Problem]:
    if found.broken:
        yield Problem(
            f"{_number(found.broken, 'sample')} cannot be read, and training would stop there",
            "mend or remove them",
            tuple(
                case.reason if case.sample.name in case.reason else f"{case.sample.name}: {case.reason}"
                for case in found.broken
            ),
        )


def _leaked(found: Inspection) -> Iterable[Problem]:
    if found.leaked:
        share = 100 * len(found.leaked) / max(sum(found.test), 1)
        yield Problem(
            f"{_number(found.leaked, 'test sample')} ({_percent(share)} of them) {_is(found.leaked)} nearly the same "
            "as a training sample, so the test would reward memory",
            "take them out of one of the two",
            _pairs(found.leaked),
            tuple(found.leaked),
        )


def _contradicting(found: Inspection) -> Iterable[Problem]:
    if found.contradicting:
        yield Problem(
            f"{_number(found.contradicting, 'pair')} of nearly the same samples {_has(found.contradicting)} different "
            "labels",
            "one label of each is wrong, or the classes cannot be told apart there",
            _pairs(found.contradicting),
            tuple(found.contradicting),
        )


def _missing(found: Inspection) -> Iterable[Problem]:
    if missing := found.missing("train"):
        yield Problem(
            f"{_classes(missing)} no training sample, so no method can learn {_them(missing)}",
            "add some, or leave the classes out (data.classes)",
            tuple(missing),
        )
    if missing := found.missing("test"):
        yield Problem(
            f"{_classes(missing)} no test sample, so nothing tells whether {_them(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} recognised",
            "add some; averages over the classes leave these out",
            tuple(missing),
        )


def _hard_to_test(found: Inspection) -> Iterable[Problem]:
    few = [
        f"{name}: {count}" for name, count in zip(found.class_names, found.test, strict=True) if 0 < count < FEW_TO_TEST
    ]
    if few:
        yield Problem(
            f"{_classes(few)} fewer than {FEW_TO_TEST} test samples, so a single one moves the recall by more than ten "
            "points",
            "read their recalls with care, and compare methods over several seeds",
            tuple(few),
        )


def _repeated(found: Inspection) -> Iterable[Problem]:
    repeated = [pair for pair in found.twins if not pair.across and not pair.contradict]
    if repeated:
        yield Problem(
            f"{_number(repeated, 'sample')} {_is(repeated)} nearly the same as another of the same split and class",
            "harmless, but the class is smaller than its count",
            _pairs(repeated),
            tuple(repeated),
        )


def _pairs(pairs: Iterable[Twins]) -> tuple[str, ...]:
    return tuple(
        f"{pair.second.name} ({pair.second.class_name}, {pair.second.split}) and "
        f"{pair.first.name} ({pair.first.class_name}, {pair.first.split})"
        for pair in pairs
    )


def _percent(share: float) -> str:
    """To two digits."""
    return f"{share:.0f}%" if share >= 10 else f"{share:.2g}%"


def _number(cases: Sequence[object], noun: str) -> str:
    return f"{len(cases):,} {noun}{'' if len(cases) == 1 else 's'}"


def _is(cases: Sequence[object]) -> str:
    return "is" if len(cases) == 1 else "are"


def _has(cases: Sequence[object]) -> str:
    return "has" if len(cases) == 1 else "have"


def _them(cases: Sequence[object]) -> str:
    return "it" if len(cases) == 1 else "them"


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} class{'' if len(names) == 1 else 'es'} ({shown}) {_has(names)}"
