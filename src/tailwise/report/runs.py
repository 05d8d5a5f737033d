"""Run directories as reports read them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import yaml
from numpy.typing import NDArray

from tailwise.errors import InputError

Predictions: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Run:
    """The summary of a finished run; ``metrics`` are those of the test set, without the ``test/`` prefix.

    ``notes`` say what one should know of metrics that are not those of the run as trained. A sample has
    ``input_shape``, (H, W, channels) or (F,), which the runs of earlier versions lack, and ``feature_names`` where its
    features have names.
    """

    path: Path
    recipe: str
    loss: str
    seed: int
    command: str
    model: str
    num_parameters: int
    epochs: int
    seconds: float
    class_counts: tuple[int, ...]
    class_names: tuple[str, ...]
    metrics: dict[str, float]
    notes: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    feature_names: tuple[str, ...] | None = None


def read_run(path: Path) -> Run:
    """The run at ``path``.

    Raises:
        InputError: there is no finished run, or its summary is broken.
    """
    file = path / "summary.json"
    if not path.is_dir():
        raise InputError(f"there is no run directory {path}; `tailwise train` makes one")
    if not file.is_file():
        if below := next(path.rglob("summary.json"), None):
            raise InputError(f"{path} is a folder of runs; give one of them, such as {below.parent}")
        if not (path / "config.yaml").is_file():
            raise InputError(f"{path} is no run directory (no config.yaml); `tailwise train` makes one")
        raise InputError(f"{path} holds no finished run (no summary.json); finish it with tailwise train --resume")
    try:
        summary: dict[str, Any] = json.loads(file.read_text())
        return Run(
            path=path,
            recipe=str(summary["recipe"]),
            loss=str(summary["loss"]),
            seed=int(summary["seed"]),
            command=str(summary["command"]),
            model=str(summary["model"]),
            num_parameters=int(summary["num_parameters"]),
            epochs=int(summary["epochs"]),
            seconds=float(summary["seconds"]),
            class_counts=tuple(int(count) for count in summary["class_counts"]),
            class_names=tuple(map(str, summary.get("class_names", range(len(summary["class_counts"]))))),
            metrics={name.removeprefix("test/"): float(value) for name, value in summary["metrics"].items()},
            notes=summary_notes(summary),
            input_shape=tuple(int(size) for size in summary["input_shape"]) if "input_shape" in summary else None,
            feature_names=tuple(map(str, summary["feature_names"])) if "feature_names" in summary else None,
        )
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is no summary of a run ({error}); train the run again") from error
    except KeyError as error:
        raise InputError(f"{file} lacks {error}; train the run again") from error


def find_runs(folders: Sequence[Path]) -> tuple[list[Run], list[Path]]:
    """The finished runs at and below the folders, and the directories of those that were begun and not finished.

    A run that is below two of the folders is read once.

    Raises:
        InputError: a folder does not exist or has no finished run, or a summary is broken.
    """
    finished: dict[Path, Run] = {}
    unfinished: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; give one that `tailwise compare --out` filled")
        places = [file.parent for file in sorted(folder.rglob("summary.json"))]
        if not places:
            raise InputError(f"{folder} has no finished run below it; give one that `tailwise compare --out` filled")
        finished |= {place.resolve(): read_run(place) for place in places if place.resolve() not in finished}
        begun = [file.parent for file in sorted(folder.rglob("config.yaml"))]
        unfinished |= {place.resolve(): place for place in begun if place.resolve() not in finished}
    # The trials of a search were not tested: they are no results.
    tested = [run for run in finished.values() if not any(name.startswith("validation/") for name in run.metrics)]
    return tested, list(unfinished.values())


def summary_notes(summary: dict[str, Any]) -> tuple[str, ...]:
    """What one should know of a run beside its network: its experts, and its second stage, as epochs count the first's.

    One sentence each, where the run had them.
    """
    experts = summary.get("experts")
    of_experts = () if experts is None else (f"{summary['loss']}: {experts} expert{'s' if experts > 1 else ''}.",)
    return (*of_experts, *_stage2_notes(summary))


def _stage2_notes(summary: dict[str, Any]) -> tuple[str, ...]:
    stage2 = summary.get("stage2")
    if stage2 is None:
        return ()
    if stage2["name"] == "routing":
        asked = f"{summary['metrics']['test/experts']:.2f} experts asked for a test sample"
        return (f"{summary['loss']}: {stage2['epochs']} further epochs of the router alone, {asked}.",)
    if "epochs" in stage2:
        return (f"{summary['loss']}: {stage2['epochs']} further epochs of the head alone ({stage2['name']}).",)
    how = stage2["name"]
    if "found_tau" in stage2:
        how += f", tau {stage2['found_tau']:g} found on the validation split"
    elif "tau" in stage2:
        how += f", tau {stage2['tau']:g}"
    return (f"{summary['loss']}: the head made balanced after training ({how}).",)


def read_config(path: Path) -> dict[str, Any]:
    """The resolved recipe of the run at ``path``.

    Raises:
        InputError: the file is missing or broken.
    """
    file = path / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(config, dict) and isinstance(config.get("loss"), dict) and "name" in config["loss"]:
            return config
        reason = "it names no loss"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
    raise InputError(f"{file} cannot be read ({reason}); train the run again")


def read_predictions(path: Path, part: Literal["test", "validation"] = "test") -> Predictions:
    """Logits (N, C) and targets (N,) of the run at ``path``, of its test samples or of those held out of training.

    Raises:
        InputError: the file is missing or broken, or no samples were held out.
    """
    file = path / "predictions.npz"
    prefix = "" if part == "test" else "validation_"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if part == "validation" and "validation_logits" not in arrays:
                raise InputError(
                    f"{path} has no validation samples; train the run with --set data.validation_fraction=0.1"
                )
            return arrays[f"{prefix}logits"], arrays[f"{prefix}targets"]
    except InputError:
        raise
    except Exception as error:  # numpy's reader raises all kinds of exceptions on broken files
        raise InputError(f"{file} cannot be read ({error}); train the run again") from error
