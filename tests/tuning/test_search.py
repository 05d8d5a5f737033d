"""The search: repeatable, resumable after a kill, blind to the test set, and not stopped by a trial that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tailwise.data.sources.digits import Digits
from tailwise.errors import InputError
from tailwise.metrics import classification_report
from tailwise.report.runs import find_runs
from tailwise.training.engine import RunOptions, train
from tailwise.tuning import search
from tailwise.tuning.search import Limits, pooled, search_trials
from tailwise.tuning.space import read_space
from tailwise.tuning.study import JOURNAL, Record
from tuning_cases import OPTIONS, ignore, quick_plan, searched, told

TRIALS = 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[Any, ...]]]:
    """A search of five trials that nothing disturbed: its folder, and what it told."""
    out = tmp_path_factory.mktemp("whole")
    return out, told(searched(out, *quick_plan(), TRIALS))


def test_defaults_come_first_and_then_as_many_trials_as_were_asked_for(
    whole: tuple[Path, list[tuple[Any, ...]]],
) -> None:
    _, trials = whole
    assert [trial[1] for trial in trials[:2]] == ["ce", "focal"]
    assert trials[0][2] == {"ce.label_smoothing": 0.0}
    assert trials[1][2] == {"focal.gamma": 2.0}
    assert len(trials) == TRIALS
    assert len({str(trial[2]) for trial in trials}) == TRIALS


def test_value_of_a_trial_is_the_metric_of_its_held_out_samples(whole: tuple[Path, list[tuple[Any, ...]]]) -> None:
    out, trials = whole
    for number, _, _, verdict in trials:
        fold = out / "trials" / f"{number:04}" / "fold-0"
        logits, targets, counts = pooled([fold])
        assert verdict.plain == pytest.approx(classification_report(logits, targets, counts)["balanced_accuracy"])
        summary = json.loads((fold / "summary.json").read_text())
        assert summary["metrics"]["validation/balanced_accuracy"] == pytest.approx(verdict.plain)


def test_trial_keeps_its_predictions_and_neither_weights_nor_test_logits(
    whole: tuple[Path, list[tuple[Any, ...]]],
) -> None:
    fold = whole[0] / "trials/0000/fold-0"
    assert {file.name for file in fold.iterdir()} == {
        "config.yaml",
        "environment.json",
        "indices.npz",
        "metrics.jsonl",
        "predictions.npz",
        "summary.json",
    }
    with np.load(fold / "predictions.npz") as arrays:
        assert set(arrays) == {"validation_logits", "validation_targets"}


def test_journal_is_json_and_no_pickle(whole: tuple[Path, list[tuple[Any, ...]]]) -> None:
    lines = (whole[0] / JOURNAL).read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_trials_are_no_results_of_runs(whole: tuple[Path, list[tuple[Any, ...]]]) -> None:
    assert find_runs([whole[0]]) == ([], [])


def test_same_seed_tells_the_same_and_test_samples_are_never_read(
    whole: tuple[Path, list[tuple[Any, ...]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Digits.load

    def poisoned(self: Digits, root: Path | None, split: Any) -> Any:
        assert split == "train", "the search read the test samples"
        return load(self, root, split)

    monkeypatch.setattr(Digits, "load", poisoned)
    assert told(searched(tmp_path, *quick_plan(), TRIALS)) == whole[1]


def test_search_that_stops_and_goes_on_tells_what_an_undisturbed_one_does(
    whole: tuple[Path, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    plan, held_out = quick_plan()
    epochs = 0

    def interrupt(line: dict[str, Any]) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_trials(Record(tmp_path, plan), Limits(TRIALS, None), OPTIONS, 1, interrupt)
    assert [trial.state.name for trial in Record(tmp_path, plan).trials] == ["COMPLETE"] * 3 + ["RUNNING"]
    assert told(searched(tmp_path, plan, held_out, TRIALS)) == whole[1]


SEARCH = """
import sys
from pathlib import Path
from tuning_cases import quick_plan, searched
searched(Path(sys.argv[1]), *quick_plan(), int(sys.argv[2]))
"""


@pytest.mark.parametrize("kills", [(15,), pytest.param((6, 15, 24), marks=pytest.mark.long)], ids=["once", "thrice"])
def test_search_killed_at_any_point_goes_on_to_the_same_choice(
    kills: tuple[int, ...], whole: tuple[Path, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """Killed when the journal reaches some length, so in the middle of asking, training or telling."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    for lines in kills:
        process = subprocess.Popen([sys.executable, "-c", SEARCH, str(tmp_path), str(TRIALS)], env=environment)
        deadline = time.monotonic() + 240
        journal = tmp_path / JOURNAL
        while not journal.exists() or journal.read_bytes().count(b"\n") < lines:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # What a process that dies in the middle of a line leaves.
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    assert told(searched(tmp_path, *quick_plan(), TRIALS)) == whole[1]


def test_more_trials_go_on_from_those_that_are_there(whole: tuple[Path, list[tuple[Any, ...]]], tmp_path: Path) -> None:
    plan, held_out = quick_plan()
    searched(tmp_path, plan, held_out, 3)
    assert told(searched(tmp_path, plan, held_out, TRIALS)) == whole[1]


def test_two_searches_at_once_share_the_trials(tmp_path: Path) -> None:
    plan, _ = quick_plan()
    one, other = Record(tmp_path, plan), Record(tmp_path, plan)
    first = one.claimed(1, 4)
    second = other.claimed(2, 4)
    assert [claim.trial.number for claim in first] == [0]
    assert [claim.trial.number for claim in second] == [1, 2]
    assert one.elsewhere() == 2 + 1  # its own is held by this process as well
    third = one.claimed(5, 4)
    assert [claim.trial.number for claim in third] == [3]
    for claim in (*first, *second):
        claim.lock.close()
    assert [claim.trial.number for claim in Record(tmp_path, plan).claimed(9, 4)] == [0, 1, 2]


def test_folders_of_another_search_are_refused(whole: tuple[Path, list[tuple[Any, ...]]]) -> None:
    with pytest.raises(InputError, match=r"holds a search with another seed \(0, not 1\); choose another --out"):
        Record(whole[0], quick_plan(seed=1)[0])


def test_folds_are_pooled_and_hold_out_different_samples(tmp_path: Path) -> None:
    plan, held_out = quick_plan(("ce",), folds=2, searched=("loss", "posthoc"))
    findings = searched(tmp_path, plan, held_out, 1)
    places = [tmp_path / "trials/0000" / f"fold-{fold}" for fold in (0, 1)]
    held = [np.load(place / "indices.npz")["validation"] for place in places]
    assert len(held[0]) == len(held[1])
    assert not set(held[0]) & set(held[1])
    assert len(pooled(places)[1]) == sum(findings.held_out.counts)


@pytest.mark.long
def test_processes_side_by_side_leave_the_same_trials_each_time(tmp_path: Path) -> None:
    told_by = [told(searched(tmp_path / name, *quick_plan(), 4, processes=2)) for name in ("one", "two")]
    assert told_by[0] == told_by[1]


def test_trial_that_fails_is_recorded_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    plan, held_out = quick_plan(("ce",), searched=("lr",), space=read_space("lr=1|1e30"))
    findings = searched(tmp_path, plan, held_out, 6)
    (failed, *_), good = findings.failed, findings.best
    assert failed.values == {"lr": 1e30}
    assert failed.reason is not None
    assert "the loss became" in failed.reason
    assert good.values == {"lr": 1.0}
    assert not (tmp_path / "trials" / f"{failed.number:04}" / "fold-0" / "state").exists()


def test_settings_that_were_tried_before_are_not_trained_again(tmp_path: Path) -> None:
    plan, held_out = quick_plan(("ce", "focal"), searched=("loss", "posthoc"))
    findings = searched(tmp_path, plan, held_out, 5)
    assert [outcome.copied is None for outcome in findings.outcomes] == [True, True, False, False, False]
    assert len(findings.best_first) == 2


def test_search_ends_where_the_space_holds_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "NOTHING_NEW", 3)
    record = Record(tmp_path, quick_plan(("ce",), searched=("loss", "posthoc"))[0])
    search_trials(record, Limits(None, 60), OPTIONS, 1, ignore)
    assert len(record.trials) == 1 + 3


def test_no_trial_begins_when_the_time_is_up(tmp_path: Path) -> None:
    record = Record(tmp_path, quick_plan()[0])
    search_trials(record, Limits(None, 0), OPTIONS, 1, ignore)
    assert record.ended() == []


def test_what_is_wrong_with_every_trial_is_said_at_once_and_not_recorded(tmp_path: Path) -> None:
    plan, held_out = quick_plan()
    options = RunOptions(threads=10_000, device="cpu")
    with pytest.raises(InputError, match="--threads must be at most"):
        search_trials(Record(tmp_path, plan), Limits(2, None), options, 1, ignore)
    assert all(outcome.verdict for outcome in searched(tmp_path, plan, held_out, 2).outcomes)


def test_run_without_a_test_reports_on_its_held_out_samples(tmp_path: Path) -> None:
    plan, _ = quick_plan(("ce",), "training.evaluate_every=1")
    recipe = plan.trial_recipe("ce", {}, 0)
    summary = train(recipe, tmp_path, RunOptions(threads=1, device="cpu", tested=False))
    assert all(name.startswith("validation/") for name in summary["metrics"])
    with np.load(tmp_path / "indices.npz") as indices:
        assert set(indices) == {"train", "validation", "fingerprint"}
