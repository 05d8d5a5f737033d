"""Several processes train together what one trains alone."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from safetensors.numpy import load_file

import together
from data.image_files import write_image
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


LONGER = ("--set", "training.epochs=60", "--set", "training.clip_norm=0.5")


@pytest.fixture(scope="module")
def undisturbed_for_longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("longer")
    assert subprocess.run([sys.executable, *GALA, *LONGER, "--out", str(out)], check=False).returncode == 0
    return out


@pytest.mark.parametrize(
    ("parallel", "victim"),
    [pytest.param("ddp", 0, marks=pytest.mark.long), pytest.param("ddp", 1, marks=pytest.mark.long), ("fsdp", 1)],
)
def test_process_that_is_killed_ends_the_others_and_one_goes_on_alone(
    parallel: str, victim: int, undisturbed_for_longer: Path, tmp_path: Path
) -> None:
    options = ("--devices", "2", "--parallel", parallel, "--out", tmp_path)
    processes = together.start([*GALA, *LONGER, *options], 2)
    while not (tmp_path / "state/last.safetensors").exists():
        assert processes[0].poll() is None
        time.sleep(0.01)
    processes[victim].kill()
    ends = [process.communicate(timeout=100)[1] for process in processes]
    assert processes[1 - victim].returncode == 1
    # The first says so; if it is the one, whoever began the processes does.
    told = "tailwise: another of the 2 processes is gone; go on with --resume" if victim else ""
    assert ends[1 - victim].strip().splitlines()[-1:] == [told] * bool(told)
    epochs = len((tmp_path / "metrics.jsonl").read_text().splitlines())
    assert epochs < 60
    alone = [sys.executable, *GALA, *LONGER, "--resume", "--out", str(tmp_path)]
    assert subprocess.run(alone, check=False, timeout=100).returncode == 0
    assert_same_weights(tmp_path, undisturbed_for_longer)


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


def table(folder: Path, last: float) -> None:
    rows = "".join(f"{row},{row % 2}\n" for row in range(20))
    (folder / "samples.csv").write_text(f"a,label\n{rows}{last},1\n")


def nothing(folder: Path) -> None:
    """No data here."""


SOURCE = "{name: csv, train: samples.csv, test: samples.csv, target: label}"
NATURAL = ("--set", "data.profile={name: natural}")
OF_TABLE = ("--set", f"data.source={SOURCE}", *NATURAL, "--data-root", ".")


@pytest.mark.parametrize(
    ("second", "further", "told"),
    [
        (nothing, (), r"process 1 of 2: .*samples\.csv.* \(on \S+\)"),
        pytest.param(
            partial(table, last=7.5),
            (),
            "the data are not the same on all machines; give --data-root the same files .*",
            marks=pytest.mark.long,
        ),
        pytest.param(
            partial(table, last=7),
            ("--loss", "ldam"),
            "loss: ldam scales cosines, but the head is linear; .*",
            marks=pytest.mark.long,
        ),
        (partial(table, last=7), ("--resume",), r"not all processes see the same run/state/last\.safetensors; put .*"),
    ],
    ids=["data of the first alone", "other data", "a wrong recipe", "a checkpoint of the first alone"],
)
def test_what_is_wrong_with_any_process_is_said_once_before_training(
    second: Callable[[Path], None], further: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    for place, fill in zip(places, (partial(table, last=7), second), strict=True):
        place.mkdir()
        fill(place)
    command = ("-m", "tailwise", "train", RECIPE, *OF_TABLE, "--set", "training.epochs=2", "--out", "run", *ON_CPU)
    if "--resume" in further:
        began = [sys.executable, *command]
        assert subprocess.run(began, cwd=places[0], check=False, capture_output=True).returncode == 0
        (places[0] / "run/summary.json").unlink()
    processes = together.start([*command, *further, "--devices", "2"], 2, places)
    (output, error), (other_output, other_error) = (process.communicate(timeout=200) for process in processes)
    assert (output, other_output, other_error) == ("", "", "")
    assert re.fullmatch(f"tailwise: {told}", error.strip())
    assert [process.returncode for process in processes] == [2, 1]
    assert "--resume" in further or not list(tmp_path.glob("*/run"))


def image_list(folder: Path, pixels: int) -> str:
    """Of nine images; the source in a recipe, which makes them small."""
    for row in range(9):
        write_image(folder / f"{row}.png", 20 * row)
    (folder / "list.txt").write_text("".join(f"{row}.png {row % 2}\n" for row in range(9)))
    return f"{{name: image-list, train: list.txt, test: list.txt, image_size: {pixels}, resize: {pixels}}}"


@pytest.mark.long
def test_what_goes_wrong_in_one_process_while_training_is_said_by_it_alone(tmp_path: Path) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    source, _ = (image_list(place, 16) for place in places)
    network = ("--set", "model={name: lenet, widths: null}", "--set", "training.epochs=100000")
    settings = ("--set", f"data.source={source}", *NATURAL, *network, "--data-root", ".", "--out", "run")
    processes = together.start(("-m", "tailwise", "train", RECIPE, *settings, *ON_CPU, "--devices", "2"), 2, places)
    while not (places[0] / "run/state/last.safetensors").exists():
        assert processes[0].poll() is None
        time.sleep(0.01)
    for image in places[1].glob("*.png"):
        image.unlink()
    errors = [process.communicate(timeout=100)[1] for process in processes]
    assert "tailwise: " not in errors[0]
    assert re.search(r"tailwise: there is no image .*\.png \(line \d of .*list\.txt\); put it there", errors[1])
    assert [process.returncode for process in processes] == [2, 2]


@pytest.mark.long
def test_batch_that_is_too_small_for_batch_normalisation_is_told_once(tmp_path: Path) -> None:
    """ResNet-20 halves four pixels twice."""
    source = image_list(tmp_path, 4)
    network = ("--set", "model={name: resnet20, widths: null}", "--set", "training.batch_size=4")
    settings = ("--set", f"data.source={source}", *NATURAL, *network, "--data-root", tmp_path)
    command = ("-m", "tailwise", "train", RECIPE, *settings, "--out", tmp_path / "run", *ON_CPU, "--devices", "2")
    processes = together.start(command, 2)
    errors = [line for process in processes for line in process.communicate(timeout=200)[1].splitlines()]
    told = "tailwise: batch normalisation needs more than one sample, and a training.batch_size of 4 leaves a batch "
    assert [line for line in errors if line.startswith("tailwise: ")] == [f"{told}of one; choose another"]


@pytest.mark.parametrize(
    ("settings", "options", "part"),
    [
        ((), {"compile": True}, "--compile is for one device"),
        ((), {"nodes": 2}, "--nodes 2 is to be begun on each of them by torchrun or srun"),
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
