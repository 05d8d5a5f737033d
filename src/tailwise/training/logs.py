"""Logs of a run: what is in its directory, copied to TensorBoard, Weights & Biases or MLflow while it trains.

A log is a copy of ``metrics.jsonl``: after each epoch it is brought up to it. So a run that is stopped anywhere and
resumed has every epoch in its logs once, and one that gets a log late has the epochs before it there too.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tailwise.errors import InputError, TailwiseWarning, first_line
from tailwise.extras import require_extra
from tailwise.recipes.config import Recipe
from tailwise.recipes.logging_config import LogConfig, MLflowLog, TensorBoardLog, WandbLog
from tailwise.training.hold import locked
from tailwise.training.run_directory import RunDirectory, write_atomically

NEEDED = {
    "tensorboard": ("tensorboard",),
    "wandb": ("lightning", "wandb"),
    "mlflow": ("lightning", "mlflow", "sqlalchemy", "alembic"),
}
SQLITE = "sqlite:///"
FINAL = "final/"
"""Before the names of the figures that the run ends with."""


@dataclass
class Log:
    """A logger, and how much of the run it holds."""

    name: str
    logger: Any
    epochs: int = 0
    has_final: bool = False

    def write(self, line: Mapping[str, Any]) -> None:
        """One line of ``metrics.jsonl``."""
        self.logger.log_metrics(dict(line), line["epoch"])
        self.logger.save()
        self.epochs = line["epoch"]

    def write_final(self, config: dict[str, Any], metrics: dict[str, float]) -> None:
        """The figures that the run ends with."""
        if not self.has_final:
            self.logger.log_metrics(metrics, self.epochs)

    def close(self, success: bool) -> None:
        """Nothing follows."""
        self.logger.finalize("success" if success else "failed")


class TensorBoard(Log):
    """Shows hyperparameters beside the figures that runs end with, so both are written together."""

    def write_final(self, config: dict[str, Any], metrics: dict[str, float]) -> None:
        """Both."""
        self.logger.log_hyperparams(config, metrics, self.epochs)


class Wandb(Log):
    """Has a process of its own, which ends with the run."""

    def close(self, success: bool) -> None:
        """Wait for what is on its way."""
        super().close(success)
        self.logger.experiment.finish(exit_code=0 if success else 1)


def check_logs(logs: Sequence[LogConfig]) -> None:
    """Refuse logs whose libraries are not installed.

    Raises:
        InputError: one is not; the message names the extra.
    """
    for log in logs:
        require_extra(f"logging: {log.name}", log.name, *NEEDED[log.name])


class RunLogs:
    """The logs of one run, all brought up to its directory together.

    One that fails while the run trains is left with a warning: what it lacks is in the directory.
    """

    def __init__(self, directory: RunDirectory, config: dict[str, Any]) -> None:
        self._logs: list[Log] = []
        self._directory = directory
        self._config = config

    def add(self, log: Log) -> None:
        """One more log."""
        self._logs.append(log)

    def catch_up(self) -> None:
        """Write the epochs that are on record and in no log yet."""
        lines = [json.loads(line) for line in self._directory.metrics()] if self._logs else []
        for log in list(self._logs):
            with self._tolerated(log):
                for line in lines[log.epochs :]:
                    log.write(line)

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Write the figures of a finished run, ``test/...``, as ``final/...``."""
        self.catch_up()
        final = {FINAL + name.partition("/")[2]: value for name, value in metrics.items()}
        for log in list(self._logs):
            with self._tolerated(log):
                log.write_final(self._config, final)

    def close(self, success: bool) -> None:
        """Nothing follows."""
        for log in list(self._logs):
            with self._tolerated(log):
                log.close(success)

    @contextmanager
    def _tolerated(self, log: Log) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # servers, disks, libraries: each has exceptions of its own
            self._logs.remove(log)
            message = f"the log to {log.name} has ended ({first_line(error)}); the training goes on"
            warnings.warn(message, TailwiseWarning, stacklevel=2)


@contextmanager
def run_logs(recipe: Recipe, directory: RunDirectory, config: dict[str, Any], is_first: bool) -> Iterator[RunLogs]:
    """The logs of a recipe, open for its run.

    Args:
        recipe: says which.
        directory: of the run.
        config: the recipe, as its directory has it.
        is_first: whether this process is the first of those that train together, which alone logs.

    Raises:
        InputError: a log cannot be opened.
    """
    name = f"{recipe.recipe}/{recipe.method}/seed-{recipe.seed}"
    logs = RunLogs(directory, config)
    success = False
    try:
        for section in recipe.logging if is_first else ():
            try:
                logs.add(_opened(section, name, recipe.recipe, directory, config))
            except Exception as error:  # as above
                raise InputError(f"logging: {section.name} cannot be opened ({first_line(error)})") from error
        yield logs
        success = True
    finally:
        logs.close(success)


def _opened(section: LogConfig, name: str, group: str, directory: RunDirectory, config: dict[str, Any]) -> Log:
    if isinstance(section, TensorBoardLog):
        return _tensorboard(directory, config)
    ids = _Ids(directory)
    if isinstance(section, WandbLog):
        return _wandb(section, name, group, directory, config, ids)
    return _mlflow(section, name, directory, config, ids)


class _Ids:
    """What the logs call the run, kept in its directory so that a resumed run is the same one there."""

    def __init__(self, directory: RunDirectory) -> None:
        self._file = directory.checkpoint.parent / "logs.json"

    def get(self, log: str) -> str | None:
        known: dict[str, str] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return known.get(log)

    def set(self, log: str, own: str) -> None:
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        write_atomically(self._file, json.dumps({**known, log: own}) + "\n")


def _tensorboard(directory: RunDirectory, config: dict[str, Any]) -> Log:
    """Written anew from the start: nobody but the run has a hand in it."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    folder = directory.path / "tensorboard"
    for file in folder.glob("events.out.tfevents.*"):
        file.unlink()
    logger = TensorBoardLogger(str(directory.path), name="tensorboard", version="", default_hp_metric=False)
    text = yaml.safe_dump(config, sort_keys=False)
    logger.experiment.add_text("config", "\n".join(f"    {line}" for line in text.splitlines()))
    return TensorBoard("tensorboard", logger)


def _wandb(section: WandbLog, name: str, group: str, directory: RunDirectory, config: dict[str, Any], ids: _Ids) -> Log:
    """Offline, written anew from the start under the same id; online, gone on with."""
    if not section.online:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # which would go to the network
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    own = ids.get("wandb")
    if own is None:
        own = secrets.token_hex(4)
        ids.set("wandb", own)
    if not section.online:
        for folder in (directory.path / "wandb").glob(f"offline-run-*-{own}"):
            shutil.rmtree(folder)
    run = wandb.init(
        project=section.project,
        entity=section.entity,
        group=section.group or group,
        tags=section.tags,
        name=name,
        id=own,
        dir=directory.path,
        mode="online" if section.online else "offline",
        resume="allow" if section.online else None,
        reinit="create_new",  # one that the process has already is not ours
        settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_job_creation=True),
    )
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    logger = WandbLogger(experiment=run)
    logger.log_hyperparams(config)
    held = dict(run.summary) if section.online else {}
    return Wandb("wandb", logger, int(held.get("epoch", 0)), any(key.startswith(FINAL) for key in held))


def _mlflow(section: MLflowLog, name: str, directory: RunDirectory, config: dict[str, Any], ids: _Ids) -> Log:
    """Gone on with where the store has the run: what is there cannot be taken back, so it is not written again."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # which would go to the network
    import mlflow
    from lightning.pytorch.loggers import MLFlowLogger
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    with _quiet("mlflow", "alembic"), _alone(section.tracking_uri):
        local = section.tracking_uri is None
        uri = f"{SQLITE}{(directory.path / 'mlflow.db').absolute()}" if local else section.tracking_uri
        client = MlflowClient(uri)
        own = ids.get("mlflow")
        try:
            run = None if own is None else client.get_run(own)
        except MlflowException:  # another store than the one it was begun in
            run = None
        is_new = run is None
        if run is None:
            run = client.create_run(_experiment(client, section.experiment, directory.path, local), run_name=name)
            ids.set("mlflow", run.info.run_id)
        else:
            client.update_run(run.info.run_id, status="RUNNING")
        logger = MLFlowLogger(section.experiment, tracking_uri=uri, run_id=run.info.run_id)
        with _tracking_uri_kept(mlflow):
            _ = logger.experiment
        if is_new:
            logger.log_hyperparams(config)
        history = client.get_metric_history(run.info.run_id, "epoch")
    epochs = max((int(metric.value) for metric in history), default=0)
    return Log("mlflow", logger, epochs, any(key.startswith(FINAL) for key in run.data.metrics))


def _experiment(client: Any, name: str, folder: Path, local: bool) -> str:
    """The id of the experiment, which another run may be making at the same time."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        artifacts = (folder / "mlflow-artifacts").absolute().as_uri() if local else None
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


@contextmanager
def _alone(tracking_uri: str | None) -> Iterator[None]:
    """Wait for others that open the same SQLite database: two that make its tables at once leave a broken one."""
    if tracking_uri is None or not tracking_uri.startswith(SQLITE):
        yield
        return
    database = Path(tracking_uri.removeprefix(SQLITE))
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_name(f"{database.name}.lock").open("w") as lock:
        locked(lock, wait=True)
        yield


@contextmanager
def _tracking_uri_kept(mlflow: Any) -> Iterator[None]:
    """The logger sets the address that the whole process tracks to, which may be the user's."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Warnings alone of some libraries."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
