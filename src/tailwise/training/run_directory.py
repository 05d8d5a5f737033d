"""The run directory: the only thing a run leaves, and the only thing reports read."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

import tailwise
from tailwise.errors import InputError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: a killed process leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class RunDirectory:
    """Paths and formats of one run.

    ``config.yaml`` resolved recipe, ``environment.json``, ``indices.npz`` which samples, ``metrics.jsonl`` a line an
    epoch, ``predictions.npz`` test logits and targets, ``weights.safetensors``, ``state/`` to resume, ``summary.json``
    written last: where it exists the run is finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "state" / "last.safetensors"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "summary.json").is_file()

    @property
    def epochs(self) -> int:
        """How many epochs are on record, finished run or not."""
        file = self.path / "metrics.jsonl"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def open(self, config: dict[str, Any], resume: bool) -> None:
        """Make the directory ready for a run of ``config``.

        Raises:
            InputError: it holds a run and ``resume`` is off, or a run of another configuration, or cannot be written.
        """
        config_file = self.path / "config.yaml"
        if config_file.exists():
            if not resume:
                raise InputError(
                    f"{self.path} holds a run already; continue it with --resume, choose another --out, or delete it"
                )
            different = _first_difference(yaml.safe_load(config_file.read_text()), config)
            if different:
                raise InputError(
                    f"{self.path} holds a run with another {different}; choose another --out or delete that run"
                )
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(config_file, yaml.safe_dump(config, sort_keys=False))
        except OSError as error:
            raise InputError(f"cannot write to {self.path}: {error.strerror}; choose another --out") from error

    def write_environment(self, device: str) -> None:
        """What the numbers were made with."""
        environment = {
            "tailwise": tailwise.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        write_atomically(self.path / "environment.json", json.dumps(environment, indent=2) + "\n")

    def write_arrays(self, name: str, **arrays: NDArray[Any]) -> None:
        """Compressed npz."""
        buffer = BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_atomically(self.path / name, buffer.getvalue())

    def write_weights(self, state: dict[str, Tensor]) -> None:
        """All parameters and constants of the classifier."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        write_atomically(self.path / "weights.safetensors", save(tensors))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """The last file of a run."""
        write_atomically(self.path / "summary.json", json.dumps(summary, indent=2) + "\n")

    def read_summary(self) -> dict[str, Any]:
        """What ``write_summary`` wrote."""
        summary: dict[str, Any] = json.loads((self.path / "summary.json").read_text())
        return summary

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Add the line of one epoch."""
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def keep_metrics(self, epochs: int) -> None:
        """Drop lines of epochs that the checkpoint does not know, and a line that was cut short."""
        file = self.path / "metrics.jsonl"
        lines = file.read_text().splitlines()[:epochs] if file.exists() else []
        write_atomically(file, "".join(f"{line}\n" for line in lines))


def _first_difference(old: Any, new: Any, path: str = "") -> str | None:
    """Dotted name of the first entry in which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            different = _first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
            if different:
                return different
        return None
    return None if old == new else f"{path} ({old!r}, not {new!r})"
