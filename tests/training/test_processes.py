"""Several processes train together what one trains alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from safetensors.numpy import load_file

import together
from recipe_trees import QUICK, quick_recipe, stop_after
from tailwise.errors import InputError
from tailwise.training.engine import RunOptions, train

Runs: TypeAlias = dict[str, Path]


@pytest.fixture(scope="module", params=["short", pytest.param("long", marks=pytest.mark.long)])
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def alone(which: str, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs of one process."""
    out = tmp_path_factory.mktemp("alone")
    cases = together.LONG_CASES if which == "long" else together.CASES
    together.train_all(cases, out, together.ALONE)
    return {case: out / case for case in cases}


@pytest.fixture(scope="module", params=[2, 4])
def folder(which: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of two processes, and of four."""
    out = tmp_path_factory.mktemp("together")
    processes = together.start([together.__file__, out, which], request.param)
    for process in processes:
        _, error = process.communicate(timeout=500)
        assert process.returncode == 0, error
    return out


def test_several_processes_leave_the_runs_of_one(alone: Runs, folder: Path) -> None:
    for case, run in alone.items():
        assert {file.name for file in run.iterdir()} == {file.name for file in (folder / case).iterdir()}
        for name in ("weights.safetensors", "router.safetensors"):
            if (run / name).exists():
                expected, found = load_file(run / name), load_file(folder / case / name)
                assert expected.keys() == found.keys()
                for key, value in expected.items():
                    assert value.dtype == np.float64 or not np.issubdtype(value.dtype, np.floating)
                    np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-6, err_msg=f"{case}: {key}")
        arrays, others = (np.load(place / "predictions.npz") for place in (run, folder / case))
        assert set(arrays) == set(others)
        for key in arrays:
            np.testing.assert_allclose(others[key], arrays[key], rtol=1e-5, atol=1e-5, err_msg=f"{case}: {key}")


ON_CPU = ("--threads", "1", "--device", "cpu")
RECIPE = "digits/long-tailed-if20"
SETTINGS = tuple(word for setting in (*QUICK, *together.EXACT) for word in ("--set", setting))
GALA = ("-m", "tailwise", "train", RECIPE, "--loss", "gala", *SETTINGS, *ON_CPU)


def assert_same_weights(run: Path, expected: Path) -> None:
    found = load_file(run / "weights.safetensors")
    for key, value in load_file(expected / "weights.safetensors").items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    train(together.recipe_of("loss-gala"), out, together.ALONE)
    return out


def test_command_begins_the_other_process_itself_and_speaks_once(undisturbed: Path, tmp_path: Path) -> None:
    command = [sys.executable, *GALA, "--devices", "2", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Run directory") == 1
    assert done.stderr.count("2/2 epochs") == 1
    assert_same_weights(tmp_path / "run", undisturbed)
    again = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert (again.returncode, again.stdout) == (2, "")
    held = f"tailwise: {tmp_path / 'run'} holds a run already; continue it with --resume, "
    assert again.stderr.strip() == held + "choose another --out, or delete it"


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_run_of_one_process_is_resumed_by_two(parallel: str, undisturbed: Path, tmp_path: Path) -> None:
    cut = RunOptions(threads=1, device="cpu", on_epoch=stop_after(1))
    with pytest.raises(KeyboardInterrupt):
        train(together.recipe_of("loss-gala"), tmp_path, cut)
    options = ("--devices", "2", "--parallel", parallel, "--resume", "--out", tmp_path)
    for process in together.start([*GALA, *options], 2):
        _, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
    assert_same_weights(tmp_path, undisturbed)


def test_what_one_process_alone_does_not_find_is_said_by_the_first(tmp_path: Path) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        place.mkdir()
    (places[0] / "samples.csv").write_text("a,label\n" + "".join(f"{row},{row % 2}\n" for row in range(20)))
    source = "data.source={name: csv, train: samples.csv, test: samples.csv, target: label}"
    settings = ("--set", source, "--set", "data.profile={name: natural}", "--data-root", ".")
    options = ("--devices", "2", "--out", tmp_path / "run", *settings)
    command = ("-m", "tailwise", "train", RECIPE, *options, *ON_CPU)
    first, second = (process.communicate(timeout=200) for process in together.start(command, 2, places))
    assert first[0] == ""
    assert re.fullmatch(r"tailwise: process 1 of 2: .*samples\.csv.* \(on \S+\)", first[1].strip())
    assert (second[0], second[1].strip()) == ("", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "options", "part"),
    [
        ((), {"compile": True}, "--compile is for one device"),
        (
            ("stage2={name: crt, epochs: 2}",),
            {"parallel": "fsdp"},
            "fsdp keeps the network in parts, but stage2",
        ),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    settings: tuple[str, ...], options: dict[str, Any], part: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=part):
        train(quick_recipe("ce", 0, *settings), tmp_path / "run", RunOptions(device="cpu", devices=2, **options))
