"""Save and restore everything a run needs to go on, without pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tailwise.errors import InputError, first_line
from tailwise.reading import parse_json, regular
from tailwise.training.run_directory import write_atomically


class Stateful(Protocol):
    """A module, optimiser or the like."""

    def state_dict(self) -> dict[str, Any]:
        """What it has learned."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Take it back."""


def save_checkpoint(
    path: Path, epoch: int, stage: int, states: Mapping[str, dict[str, Any]], synced: bool = False
) -> None:
    """Write the states of the parts after ``epoch`` finished epochs, the last in ``stage``, and of random generators.

    Tensors go into one safetensors file, plain numbers as JSON into its header. ``synced``: see ``write_atomically``.
    """
    tensors: dict[str, Tensor] = {}
    tree = {
        "epoch": epoch,
        "parts": dict(states),
        "random": _random_state(),
    }
    skeleton = json.dumps(_take_tensors(tree, tensors))
    write_atomically(path, save(tensors, metadata={"tree": skeleton, "stage": str(stage)}), synced)


@dataclass(frozen=True)
class Checkpoint:
    """What ``save_checkpoint`` wrote.

    epoch: how many are finished.
    stage: of the last of them, which says what parts there are.
    """

    path: Path
    epoch: int
    stage: int
    _states: dict[str, Any]
    _random: dict[str, Tensor]

    def restore(self, parts: Mapping[str, Stateful]) -> None:
        """Give the parts their states back, and the random generators.

        Raises:
            InputError: the states are of another network.
        """
        with _reading(self.path):
            for name, part in parts.items():
                part.load_state_dict(self._states[name])
            _restore_random_state(self._random)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the file into memory.

    Raises:
        InputError: it is not a checkpoint.
    """
    with _reading(path), safe_open(regular(path), framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        tree = _put_tensors(parse_json(file.metadata()["tree"]), tensors)
        # Those of before there were stages are of the first.
        stage = int(file.metadata().get("stage", 1))
        return Checkpoint(path, int(tree["epoch"]), stage, tree["parts"], tree["random"])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Name the file where it is not a checkpoint of the run."""
    try:
        yield
    except Exception as error:  # whatever is wrong in it, a part of the run is the first to notice
        raise InputError(
            f"{path} is not a checkpoint of this run ({first_line(error)}); delete the run directory and train again"
        ) from error


def _take_tensors(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree with each tensor moved into ``tensors`` and replaced by the name it has there."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(tree, dict):
        # As pairs, for an optimiser numbers its parameters and JSON would make strings of the numbers.
        return {"pairs": [[key, _take_tensors(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return [_take_tensors(value, tensors) for value in tree]
    return tree


def _put_tensors(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, dict):
        if tree.keys() == {"tensor"}:
            return tensors[tree["tensor"]]
        return {key: _put_tensors(value, tensors) for key, value in tree["pairs"]}
    if isinstance(tree, list):
        return [_put_tensors(value, tensors) for value in tree]
    return tree


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _restore_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
