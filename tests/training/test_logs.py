"""Logs: what the real libraries read back, that training does not notice them, and that no epoch is there twice."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipe_trees import quick_recipe, read_lines, stop_after
from tailwise.errors import InputError
from tailwise.recipes.catalog import load_recipe
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train
from tailwise.training.sweep import Job, sweep

ONE_THREAD = RunOptions(threads=1, device="cpu")
ALL = "logging=[{name: tensorboard}, {name: wandb, tags: [first]}, {name: mlflow}]"
EVERY_EPOCH = "training.evaluate_every=2"
BLOCK, FULL, LAST = 32768, 1, 4
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def logged(*settings: str) -> Recipe:
    return quick_recipe("ce", 0, EVERY_EPOCH, *settings)


@pytest.fixture(scope="module")
def interrupted_and_resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all three logs, stopped after its first epoch and gone on with."""
    out = tmp_path_factory.mktemp("logged") / "run"
    with pytest.raises(KeyboardInterrupt):
        train(logged(ALL), out, RunOptions(threads=1, device="cpu", on_epoch=stop_after(1)))
    train(logged(ALL), out, RunOptions(threads=1, device="cpu", resume=True))
    return out


def expected(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Each figure of ``metrics.jsonl`` and of the summary as (epoch, value)."""
    series: dict[str, list[tuple[int, float]]] = {}
    for line in map(json.loads, read_lines(run / "metrics.jsonl")):
        for name, value in line.items():
            series.setdefault(name, []).append((line["epoch"], pytest.approx(value, rel=1e-6)))
    for name, value in json.loads((run / "summary.json").read_text())["metrics"].items():
        series[name.replace("test/", "final/")] = [(3, pytest.approx(value, rel=1e-6))]
    return series


def tensorboard_series(run: Path) -> tuple[dict[str, list[tuple[int, float]]], Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    series = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    return series, events


def wandb_records(run: Path) -> Iterator[Any]:
    """The records of the offline file, a LevelDB log: blocks of pieces, each with checksum, length and kind."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = (run / "wandb").glob("offline-run-*/run-*.wandb")
    content, place, pieces = file.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        pieces += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (FULL, LAST):
            yield Record.FromString(pieces)
            pieces = b""


def wandb_series(run: Path) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for record in wandb_records(run):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            step = items.pop("trainer/global_step")
            for name, value in items.items():
                if not name.startswith("_"):
                    series.setdefault(name, []).append((step, value))
    return series


def mlflow_run(run: Path) -> tuple[Any, Any]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow.db'}")
    (experiment,) = [found for found in client.search_experiments() if found.name == "tailwise"]
    (only,) = client.search_runs([experiment.experiment_id])
    return client, only


def test_tensorboard_has_each_epoch_and_the_final_figures_once(interrupted_and_resumed: Path) -> None:
    series, events = tensorboard_series(interrupted_and_resumed)
    assert series == expected(interrupted_and_resumed)
    assert (
        "recipe: digits/long-tailed-if20"
        in events.Tensors("config/text_summary")[0].tensor_proto.string_val[0].decode()
    )


def test_tensorboard_has_the_recipe_as_hyperparameters(interrupted_and_resumed: Path) -> None:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    _, events = tensorboard_series(interrupted_and_resumed)
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hyperparameters = HParamsPluginData.FromString(content).session_start_info.hparams
    assert hyperparameters["loss/name"].string_value == "cross_entropy"
    assert hyperparameters["training/epochs"].number_value == 3


def test_wandb_is_offline_and_has_each_epoch_once(interrupted_and_resumed: Path) -> None:
    assert wandb_series(interrupted_and_resumed) == expected(interrupted_and_resumed)
    runs = [record.run for record in wandb_records(interrupted_and_resumed) if record.HasField("run")]
    assert (runs[0].display_name, runs[0].project) == ("digits/long-tailed-if20/ce/seed-0", "tailwise")
    assert (runs[0].run_group, list(runs[0].tags)) == ("digits/long-tailed-if20", ["first"])
    assert runs[0].run_id == json.loads((interrupted_and_resumed / "state/logs.json").read_text())["wandb"]


def test_wandb_has_the_recipe_as_its_config(interrupted_and_resumed: Path) -> None:
    found: dict[str, Any] = {}
    for record in wandb_records(interrupted_and_resumed):
        for update in (record.config, record.run.config):
            found |= {item.key: json.loads(item.value_json) for item in update.update}
    recorded = yaml.safe_load((interrupted_and_resumed / "config.yaml").read_text())
    assert {key: found[key] for key in recorded} == recorded


def test_mlflow_has_each_epoch_and_the_final_figures_once(interrupted_and_resumed: Path) -> None:
    client, run = mlflow_run(interrupted_and_resumed)
    series = {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    assert series == expected(interrupted_and_resumed)
    assert (run.info.run_name, run.info.status) == ("digits/long-tailed-if20/ce/seed-0", "FINISHED")
    assert run.data.params["loss/name"] == "cross_entropy"


def test_logging_changes_neither_the_weights_nor_the_record(interrupted_and_resumed: Path, tmp_path: Path) -> None:
    train(logged(), tmp_path, ONE_THREAD)
    for name in ("weights.safetensors", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (interrupted_and_resumed / name).read_bytes()
    figures = [
        [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in read_lines(run / file)]
        for run in (tmp_path, interrupted_and_resumed)
        for file in ("metrics.jsonl",)
    ]
    assert figures[0] == figures[1]


def test_log_that_is_added_when_a_run_is_resumed_has_the_epochs_before(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(logged(), tmp_path, RunOptions(threads=1, device="cpu", on_epoch=stop_after(2)))
    train(logged("logging.name=tensorboard"), tmp_path, RunOptions(threads=1, device="cpu", resume=True))
    assert tensorboard_series(tmp_path)[0] == expected(tmp_path)


@pytest.mark.long
def test_runs_that_begin_together_share_one_database(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'shared.db'}"
    recipes = [quick_recipe("ce", seed, f"logging={{name: mlflow, tracking_uri: '{uri}'}}") for seed in range(2)]
    jobs = [Job(recipe, tmp_path / str(recipe.seed), "") for recipe in recipes]
    assert sweep(jobs, ONE_THREAD, 2, lambda line: None) == []
    client = MlflowClient(uri)
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    names = {run.info.run_name: run.info.status for run in runs}
    assert names == {f"digits/long-tailed-if20/ce/seed-{seed}": "FINISHED" for seed in range(2)}


def test_log_that_fails_while_training_is_left_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(TensorBoardLogger, "log_metrics", full)
    with pytest.warns(
        RuntimeWarning, match=r"the log to tensorboard has ended \(no space left\); the training goes on"
    ):
        summary = train(logged("logging.name=tensorboard"), tmp_path, ONE_THREAD)
    assert summary["metrics"]["test/accuracy"] > 0


def test_missing_library_is_one_line_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else find_spec(name, *rest)
    )
    with pytest.raises(InputError, match=r"logging: wandb needs wandb, .*; pip install 'tailwise\[wandb\]'"):
        train(logged(ALL), tmp_path / "run", ONE_THREAD)
    assert not (tmp_path / "run").exists()


def test_store_that_cannot_be_opened_is_one_line_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="logging: mlflow cannot be opened"):
        train(logged("logging={name: mlflow, tracking_uri: 'nonsense://store'}"), tmp_path, ONE_THREAD)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("logging.name=comet", "logging.0.name: there is no 'comet'; there are 'tensorboard', 'wandb', 'mlflow'"),
        ("logging=[{name: wandb}, {name: wandb}]", "logging: each log may stand once, got wandb, wandb"),
        ("logging={name: wandb, projekt: x}", "unknown key logging.0.projekt; did you mean logging.0.project"),
    ],
)
def test_what_is_no_log_is_named(setting: str, part: str) -> None:
    with pytest.raises(InputError) as error:
        load_recipe("digits/long-tailed-if20").resolve("ce", 0, [setting])
    assert part.replace("'", "") in str(error.value).replace("'", "")
