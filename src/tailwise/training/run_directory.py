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
from tailwise.recipes.config import Recipe
from tailwise.training.hold import Hold, held


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a killed process leaves the old file or the new one."""
    with becoming(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def becoming(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to, which takes its place at the end, and is gone where that is not reached."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
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
        self._hold: Hold | None = None

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "summary.json").is_file()

    @property
    def epochs(self) -> int:
        """How many epochs are on record, finished run or not."""
        return len(self.metrics())

    def check(self, config: dict[str, Any], resume: bool) -> None:
        """Whether a run of ``config`` may begin or go on here; nothing is written.

        Raises:
            InputError: there is a run and ``resume`` is off, or a run of another configuration, or a broken file.
        """
        config_file = self.path / "config.yaml"
        if not config_file.exists():
            return
        if not resume:
            raise InputError(
                f"{self.path} holds a run already; continue it with --resume, choose another --out, or delete it"
            )
        try:
            recorded = yaml.safe_load(config_file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
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
            if (self.path / "indices.npz").exists():
                with np.load(self.path / "indices.npz", allow_pickle=False) as recorded:
                    if str(recorded["fingerprint"]) != fingerprint:
                        raise InputError(
                            f"{self.path} was begun on other data; restore them, choose another --out or delete it"
                        )
            else:
                self.write_arrays("indices.npz", **samples, fingerprint=np.array(fingerprint))
                write_atomically(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))
            yield

    def _check_hold(self) -> None:
        """Write nothing where another process goes on with the run."""
        if self._hold is not None:
            self._hold.check()

    def write_environment(self, device: str, data: str) -> None:
        """What the numbers were made with, and where the data were; a resumed run keeps the record of each part."""
        file = self.path / "environment.json"
        environment: dict[str, Any] = {
            **describe_machine(device),
            "data": data,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if file.exists():
            first = json.loads(file.read_text())
            environment = {**first, "resumed": [*first.get("resumed", []), environment]}
        write_atomically(file, json.dumps(environment, indent=2) + "\n")

    def write_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        """Compressed npz, without pickled objects."""
        self._check_hold()
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        write_atomically(self.path / name, buffer.getvalue())

    def write_weights(self, state: dict[str, Tensor], name: str = "weights.safetensors") -> None:
        """All parameters and constants of the classifier, or under another name of what else was trained."""
        self._check_hold()
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        write_atomically(self.path / name, save(tensors))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """The last file of a run."""
        self._check_hold()
        write_atomically(self.path / "summary.json", json.dumps(summary, indent=2) + "\n")

    def read_summary(self) -> dict[str, Any]:
        """What ``write_summary`` wrote.

        Raises:
            InputError: the file is broken.
        """
        file = self.path / "summary.json"
        try:
            summary: dict[str, Any] = json.loads(file.read_text())
            return summary
        except ValueError as error:
            raise InputError(f"{file} is broken ({error}); delete the run directory and train again") from error

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add the line of one epoch."""
        self._check_hold()
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def metrics(self) -> list[str]:
        """The lines on record, the last perhaps cut short."""
        file = self.path / "metrics.jsonl"
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    def keep_metrics(self, epochs: int) -> None:
        """Drop lines of epochs that the checkpoint does not know, and a line that was cut short."""
        write_atomically(self.path / "metrics.jsonl", "".join(f"{line}\n" for line in self.metrics()[:epochs]))


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
