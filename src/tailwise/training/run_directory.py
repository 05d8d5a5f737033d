"""The run directory: the only thing a run leaves, and the only thing reports read."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor

from tailwise.errors import InputError
from tailwise.machine import describe_machine
from tailwise.reading import parse_json, read_json
from tailwise.recipes.config import Recipe
from tailwise.recipes.yaml_text import read_yaml
from tailwise.training.hold import Hold, held
from tailwise.unpacking import read_arrays

SHOWN_OF_SUMMARY = ("metrics", "model", "num_parameters", "seconds", "data", "loss")

SYNCED_SECONDS = 1.0
"""How long an epoch takes from which on its files are synced, which may take tens of milliseconds."""


def write_atomically(path: Path, content: bytes | str, synced: bool = False) -> None:
    """Write a file whole or not at all: a killed process leaves the old file or the new one, synced a power cut too."""
    with becoming(path, synced) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def becoming(path: Path, synced: bool = False) -> Iterator[Path]:
    """A file beside ``path`` to write to, which takes its place at the end, and is gone where that is not reached.

    If it is ``synced`` it is on the disk by then: else a power cut may leave an empty file in place of the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if synced:
            with partial.open("r+b") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class RunDirectory:
    """Paths and formats of one run.

    ``config.yaml`` resolved recipe, ``environment.json``, ``indices.npz`` which samples, ``metrics.jsonl`` a line an
    epoch, ``predictions.npz`` test ``logits`` and ``targets``, ``validation_logits`` and ``validation_targets`` where
    samples were held out, and ``experts``, how many were asked, where there is a router; ``weights.safetensors``,
    ``router.safetensors``, ``state/`` to resume, ``summary.json`` written last: where it exists the run is finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "state" / "last.safetensors"
        self.synced = False
        """Whether what is written is to survive a power cut: from the first epoch on that has taken long."""
        self._hold: Hold | None = None

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "summary.json").is_file()

    @property
    def begun(self) -> bool:
        """Whether epochs of a run are here to go on after; one is on record before its checkpoint is written."""
        return self.checkpoint.exists() or self.epochs > 1

    @property
    def epochs(self) -> int:
        """How many epochs are on record, finished run or not."""
        return len(self.metrics())

    def check(self, config: dict[str, Any], resume: bool) -> None:
        """Whether a run of ``config`` may begin or go on here; nothing is written.

        Raises:
            InputError: there is a run and ``resume`` is off, or a run of another configuration, or a broken file, or
                one is gone.
        """
        config_file = self.path / "config.yaml"
        begun = self.begun
        if not begun and not config_file.exists():
            return
        if not resume:
            raise InputError(
                f"{self.path} holds a run already; continue it with --resume, choose another --out, or delete it"
            )
        for file in (config_file, self.path / "indices.npz", self.checkpoint) if begun else ():
            if not file.exists():
                raise InputError(
                    f"{file} is gone, without which nobody can tell how to go on; put it back, choose another --out or "
                    "delete the run directory"
                )
        try:
            recorded = read_yaml(config_file)
            if not isinstance(recorded, dict):
                raise ValueError("it is no mapping")
        except (OSError, ValueError) as error:
            raise InputError(f"{config_file} cannot be read ({error}); delete the run directory") from error
        different = first_difference(_with_defaults(recorded), config)
        if different:
            raise InputError(
                f"{self.path} holds a run with another {different}; choose another --out or delete that run"
            )

    @contextmanager
    def opened(
        self, config: dict[str, Any], samples: dict[str, NDArray[Any]], fingerprint: str, wait: bool = False
    ) -> Iterator[None]:
        """Hold the directory for one run of ``config`` on the samples at the indices ``samples``.

        Args:
            config: of the run.
            samples: of each part.
            fingerprint: of the samples.
            wait: for another process that holds it, which may finish the run meanwhile.

        Raises:
            InputError: it cannot be written, another process holds it, or the run in it was begun on other data.
        """
        with ExitStack() as stack:
            try:
                self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
                self._hold = stack.enter_context(held(self.checkpoint.parent, wait))
            except OSError as error:
                raise InputError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error
            self._drop_partial_files()
            if (self.path / "indices.npz").exists() and self._recorded_fingerprint() != fingerprint:
                raise InputError(
                    f"{self.path} was begun on other data; restore them, choose another --out or delete it"
                )
            if not (self.path / "config.yaml").exists():
                self._write("config.yaml", yaml.safe_dump(config, sort_keys=False))
            if not (self.path / "indices.npz").exists():
                self.write_arrays("indices.npz", **samples, fingerprint=np.array(fingerprint))
            yield

    def _recorded_fingerprint(self) -> str:
        file = self.path / "indices.npz"
        try:
            recorded = read_arrays(file, ["fingerprint"])
            if not recorded:
                raise ValueError("it has no fingerprint")
            return str(recorded["fingerprint"])
        except (OSError, ValueError) as error:
            raise InputError(f"{file} cannot be read ({error}); delete the run directory and train again") from error

    def _drop_partial_files(self) -> None:
        """What killed processes were writing."""
        for folder in (self.path, self.checkpoint.parent):
            for partial in folder.glob(".*.partial"):
                partial.unlink(missing_ok=True)

    def _check_hold(self) -> None:
        """Write nothing where another process goes on with the run."""
        if self._hold is not None:
            self._hold.check()

    def _write(self, name: str, content: bytes | str) -> None:
        self._check_hold()
        write_atomically(self.path / name, content, self.synced)

    def write_environment(self, device: str, data: str) -> None:
        """What the numbers were made with, and where the data were; a resumed run keeps the record of each part."""
        file = self.path / "environment.json"
        environment: dict[str, Any] = {
            **describe_machine(device),
            "data": data,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if file.exists():
            try:
                first = dict(read_json(file))
                environment = {**first, "resumed": [*first.get("resumed", []), environment]}
            except (OSError, ValueError, TypeError) as error:
                raise InputError(f"{file} cannot be read ({error}); delete it, and the run goes on") from error
        self._write(file.name, json.dumps(environment, indent=2) + "\n")

    def write_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        """Compressed npz, without pickled objects."""
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        self._write(name, buffer.getvalue())

    def write_weights(self, state: dict[str, Tensor], name: str = "weights.safetensors") -> None:
        """All parameters and constants of the classifier, or under another name of what else was trained."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        self._write(name, save(tensors))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """The last file of a run."""
        self._write("summary.json", json.dumps(summary, indent=2) + "\n")

    def read_summary(self) -> dict[str, Any]:
        """What ``write_summary`` wrote.

        Raises:
            InputError: the file is broken.
        """
        file = self.path / "summary.json"
        try:
            summary: dict[str, Any] = read_json(file)
            if missing := [name for name in SHOWN_OF_SUMMARY if name not in summary]:
                raise ValueError(f"it has no {missing[0]}")
            return dict(summary)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{file} is broken ({error}); delete the run directory and train again") from error

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add the line of one epoch, which is to be on the disk before the checkpoint that knows of it."""
        self._check_hold()
        self.synced = self.synced or line["seconds"] >= SYNCED_SECONDS
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
            if self.synced:
                file.flush()
                os.fsync(file.fileno())

    def metrics(self) -> list[str]:
        """The lines on record, the last perhaps cut short."""
        file = self.path / "metrics.jsonl"
        return file.read_text(errors="replace").splitlines() if file.is_file() else []

    def keep_metrics(self, epochs: int) -> None:
        """Drop lines of epochs that the checkpoint does not know, and a line that was cut short.

        Raises:
            InputError: one of the others is broken, or is not there.
        """
        file, kept = self.path / "metrics.jsonl", self.metrics()[:epochs]
        if len(kept) < epochs:
            raise InputError(
                f"{file} has {len(kept)} of the {epochs} epochs that were trained; delete the run directory and train "
                "again"
            )
        for number, line in enumerate(kept, 1):
            try:
                seconds = float(parse_json(line)["seconds"])
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(
                    f"{file} has no epoch in line {number} ({error}); delete the run directory and train again"
                ) from error
            self.synced = self.synced or seconds >= SYNCED_SECONDS
        self._write(file.name, "".join(f"{line}\n" for line in kept))


def _with_defaults(recorded: Any) -> Any:
    """A recorded configuration with the fields that recipes did not have when it was written."""
    try:
        return Recipe.model_validate(recorded).model_dump(mode="json")
    except ValidationError:
        return recorded


def first_difference(old: Any, new: Any, path: str = "") -> str | None:
    """Dotted name of the first entry in which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            different = first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
            if different:
                return different
        return None
    return None if old == new else f"{path} ({old!r}, not {new!r})"
