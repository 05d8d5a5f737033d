"""Learning curves: means and spreads of what runs recorded."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from run_cases import run_of
from tailwise.errors import InputError
from tailwise.report.learning_curves import learning_curves
from tailwise.report.runs import Run


def recorded(folder: Path, seed: int, losses: list[float], tested: dict[int, float]) -> Run:
    """A run that recorded a loss each epoch, and an accuracy after some."""
    path = folder / f"seed-{seed}"
    path.mkdir()
    lines = []
    for epoch, loss in enumerate(losses, start=1):
        line = {"epoch": epoch, "stage": 1, "train/loss": loss, "seconds": 0.1}
        if epoch in tested:
            line |= {"test/accuracy": tested[epoch], "test/recall/0": 0.5}
        lines.append(json.dumps(line) + "\n")
    (path / "metrics.jsonl").write_text("".join(lines))
    return replace(run_of("digits", "ce", seed, 0.5), path=path)


def test_curves_are_mean_and_sample_deviation_over_the_seeds(tmp_path: Path) -> None:
    runs = [recorded(tmp_path, 0, [3.0, 2.0], {}), recorded(tmp_path, 1, [5.0, 1.0], {})]
    curve = learning_curves(runs)["train/loss"]
    assert (curve.epochs, curve.mean) == ([1, 2], [4.0, 1.5])
    assert curve.std == pytest.approx([statistics.stdev([3, 5]), statistics.stdev([2, 1])])


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    assert learning_curves([recorded(tmp_path, 0, [3.0], {})])["train/loss"].std == [None]


def test_test_metrics_have_the_epochs_at_which_every_run_took_them(tmp_path: Path) -> None:
    runs = [recorded(tmp_path, 0, [1.0] * 4, {2: 0.5, 4: 0.7}), recorded(tmp_path, 1, [1.0] * 4, {4: 0.9})]
    curves = learning_curves(runs)
    assert set(curves) == {"train/loss", "test/accuracy"}
    assert (curves["test/accuracy"].epochs, curves["test/accuracy"].mean) == ([4], [pytest.approx(0.8)])


@pytest.mark.parametrize("content", [None, "", '{"epoch": 1', '["epoch"]', '{"epoch": "one"}'])
def test_missing_or_broken_record_is_named(content: str | None, tmp_path: Path) -> None:
    run = recorded(tmp_path, 0, [1.0], {})
    file = run.path / "metrics.jsonl"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with pytest.raises(InputError, match=r"seed-0/metrics\.jsonl cannot be read"):
        learning_curves([run])
