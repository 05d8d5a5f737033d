"""Run directories as reports read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tailwise.counts import ClassCounts
from tailwise.errors import InputError
from tailwise.reading import read_json
from tailwise.recipes.yaml_text import read_yaml
from tailwise.unpacking import read_arrays

Predictions: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]


LARGEST_INPUT = 2**28
"""Values of one sample."""


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
        summary: dict[str, Any] = read_json(file)
        counts = ClassCounts(summary["class_counts"])
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
            class_counts=tuple(counts),
            class_names=_class_names(summary, len(counts)),
            metrics={name.removeprefix("test/"): _finite(name, value) for name, value in summary["metrics"].items()},
            notes=summary_notes(summary),
            input_shape=_input_shape(summary["input_shape"]) if "input_shape" in summary else None,
            feature_names=tuple(map(str, summary["feature_names"])) if "feature_names" in summary else None,
        )
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{file} is no summary of a run ({error}); train the run again") from error
    except KeyError as error:
        raise InputError(f"{file} lacks {error}; train the run again") from error


def _class_names(summary: dict[str, Any], num_classes: int) -> tuple[str, ...]:
    """Different names, one for each class; the runs of earlier versions have none."""
    names = tuple(map(str, summary.get("class_names", range(num_classes))))
    if len(names) != num_classes:
        raise ValueError(f"it has {len(names)} class_names for {num_classes} class_counts")
    if len(set(names)) < num_classes:
        raise ValueError(f"it has the class {next(name for name in names if names.count(name) > 1)!r} twice")
    return names


def _finite(name: str, value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError(f"{name} is to be a finite number, got {value}")
    return number


def _input_shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in shape)
    if len(sizes) not in (1, 3) or min(sizes) < 1 or math.prod(sizes) > LARGEST_INPUT:
        raise ValueError(
            f"input_shape is to be (H, W, channels) or (F,), of up to {LARGEST_INPUT:,} values, got {sizes}"
        )
    return sizes


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
        config = read_yaml(file)
        if (
            isinstance(config, dict)
            and isinstance(config.get("loss"), dict)
            and isinstance(config["loss"].get("name"), str)
        ):
            return config
        reason = "it names no loss"
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
    raise InputError(f"{file} cannot be read ({reason}); train the run again")


def read_predictions(path: Path, part: Literal["test", "validation"] = "test") -> Predictions:
    """Logits (N, C) and targets (N,) of the run at ``path``, of its test samples or of those held out of training.

    Raises:
        InputError: the file is missing or broken, or no samples were held out.
    """
    file = path / "predictions.npz"
    prefix = "" if part == "test" else "validation_"
    names = (f"{prefix}logits", f"{prefix}targets")
    try:
        arrays = read_arrays(file, names)
        if part == "validation" and "validation_logits" not in arrays:
            raise InputError(f"{path} has no validation samples; train the run with --set data.validation_fraction=0.1")
        if missing := [name for name in names if name not in arrays]:
            raise ValueError(f"it has no {missing[0]}")
        return _checked(*(arrays[name] for name in names))
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); train the run again") from error


def _checked(logits: NDArray[Any], targets: NDArray[Any]) -> Predictions:
    if logits.ndim != 2 or logits.dtype.kind != "f" or 0 in logits.shape:
        raise ValueError(f"logits are to be floating (N, C), got {logits.dtype} of shape {logits.shape}")
    if targets.dtype.kind not in "iu" or targets.shape != logits.shape[:1]:
        raise ValueError(f"targets are to be {len(logits)} whole numbers, got {targets.dtype} of shape {targets.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("its logits are not all finite")
    return logits, targets
