"""What `tailwise bench` measures; no test asks how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tailwise.bench.losses import REFERENCE, Size, _HeldBytes, measure_losses
from tailwise.bench.timing import in_turns, median_ratio
from tailwise.bench.training import PARTS, Setting, measure_pipeline, measure_steps
from tailwise.cli import main
from tailwise.data.augment.steps import Flip
from tailwise.machine import describe_machine


def test_turns_alternate_and_the_ratio_is_taken_within_a_turn() -> None:
    calls: list[str] = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = in_turns(runs, repeats=3, calls=2)
    assert "".join(calls) == "aabb" * 5
    assert [len(values) for values in seconds.values()] == [3, 3]
    assert median_ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == 2.0


def test_held_bytes_are_those_of_the_results_that_live_at_a_time() -> None:
    given = torch.zeros(256, requires_grad=True)
    with _HeldBytes() as held:
        second = (given * 2).exp()  # the product dies; a gradient is not asked for
    assert held.peak == 2 * 4 * 256
    with _HeldBytes() as held:
        second.detach().view(16, 16)
    assert held.peak == 0


def test_losses_are_measured_beside_cross_entropy() -> None:
    rows = measure_losses(["gppe", "gala"], [Size(8, 5)], repeats=2)
    assert [row["loss"] for row in rows] == [REFERENCE, "gppe", "gala"]
    assert rows[0]["time_ratio"] == rows[0]["memory_ratio"] == 1
    assert all(row["time_ratio"] > 0 for row in rows)
    # Cross entropy holds log-probabilities and the gradient at least: twice 8 x 5 float32.
    assert all(row["peak_bytes"] >= 4 * 8 * 5 for row in rows)
    assert rows[0]["peak_bytes"] >= 2 * 4 * 8 * 5


def test_shares_of_a_step_are_all_of_it() -> None:
    (row,) = measure_steps((Setting("small", "resnet20", (8, 8, 3), 4, (Flip(),), classes=3),), repeats=2)
    assert set(row["shares"]) == set(PARTS)
    assert sum(row["shares"].values()) == pytest.approx(1)
    assert row["images_a_second"] == pytest.approx(4 / row["milliseconds"] * 1e3)
    # Forward and backward of a stem of 3 x 16 kernels of 3 x 3 and its like: a few million products an image.
    stem = 2 * 8 * 8 * 27 * 16
    assert 3 * 18 * stem / 1e9 < row["gigaflop"] < 1
    assert row["arithmetic_share"] > 0


def test_pipeline_has_a_row_for_each_augmentation() -> None:
    rows = measure_pipeline(repeats=1)
    assert [row["augmentation"] for row in rows] == ["none", "crop and flip", "autoaugment and cutout"]


def test_command_prints_tables_and_writes_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"tailwise bench losses pipeline --loss gppe,sgpl --repeats 1 --threads 1 --out {tmp_path}/bench.json"
    monkeypatch.setattr("sys.argv", command.split())
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["machine"] == describe_machine("cpu")
    assert {row["loss"] for row in written["losses"]} == {REFERENCE, "gppe", "sgpl"}
    assert "steps" not in written
    shown = capsys.readouterr().out
    for row in written["losses"]:
        assert f"{row['time_ratio']:.2f}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "bench measures losses, pipeline, steps, got speed"),
        (["losses", "--loss", "gpe"], "no loss is named 'gpe'"),
        (["losses", "--out", "nowhere/bench.json"], "--out is to lie in nowhere, which is no folder"),
        (["losses", "--threads", "9999"], "--threads must be at most"),
        (["losses", "--repeats", "0"], "--repeats"),
    ],
)
def test_wrong_requests_are_answered_in_a_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tailwise", "bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_reference_is_torchs_own() -> None:
    assert f"{F.__name__}.{F.cross_entropy.__name__}" == REFERENCE
