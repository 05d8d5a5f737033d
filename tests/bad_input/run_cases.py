"""Run directories that are broken, or that somebody has made to do harm, and the commands that read them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import load_file, save_file

from bad_input.cases import BadCommand, Words

Damage = Callable[[Path], object]


def after(damage: Damage, *words: str) -> Callable[[Path], Words]:
    """A command, after the run in ``run`` was damaged."""

    def make(folder: Path) -> Words:
        damage(folder / "run")
        return words

    return make


SETTINGS = ("--set", "training.epochs=2", "--set", "data.validation_fraction=0.2")
EVALUATE = ("evaluate", "run")
ADJUST = (*EVALUATE, "--posthoc", "logit-adjustment")
PREDICT = ("predict", "run", "new.npz")
RESUME = (*("train", "digits/long-tailed-if20", "--loss", "ce", "--out", "run", "--resume"), *SETTINGS)
REPORT = ("report", "run")


def summary(**entries: Any) -> Damage:
    """Entries of the summary replaced; None takes one out."""

    def damage(run: Path) -> None:
        tree = json.loads((run / "summary.json").read_text())
        for name, value in entries.items():
            if value is None:
                del tree[name]
            else:
                tree[name] = value
        (run / "summary.json").write_text(json.dumps(tree))

    return damage


def config(change: Callable[[dict[str, Any]], object]) -> Damage:
    """The configuration changed."""

    def damage(run: Path) -> None:
        tree = yaml.safe_load((run / "config.yaml").read_text())
        change(tree)
        (run / "config.yaml").write_text(yaml.safe_dump(tree))

    return damage


def content(name: str, value: str | bytes) -> Damage:
    """A file of this content."""
    return lambda run: (run / name).write_bytes(value.encode() if isinstance(value, str) else value)


def predictions(**arrays: Any) -> Damage:
    """Arrays of the predictions replaced."""

    def damage(run: Path) -> None:
        with np.load(run / "predictions.npz") as known:
            kept = dict(known)
        np.savez(run / "predictions.npz", **{**kept, **arrays})

    return damage


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Damage:
    """The weights changed."""

    def damage(run: Path) -> None:
        state = load_file(run / "weights.safetensors")
        change(state)
        save_file(state, run / "weights.safetensors")

    return damage


def instead(name: str, put: Damage) -> Damage:
    """Something else in place of a file."""

    def damage(run: Path) -> None:
        (run / name).unlink()
        put(run / name)

    return damage


def unfinished(damage: Damage) -> Damage:
    """The run as it was before its end, then damaged."""

    def both(run: Path) -> None:
        (run / "summary.json").unlink()
        damage(run)

    return both


def lying(header: dict[str, Any], body: bytes = b"", size: int | None = None) -> bytes:
    """A safetensors file whose header says what one likes."""
    text = json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + body


def _checkpoint(tree: Any) -> bytes:
    return lying({"__metadata__": {"tree": json.dumps(tree), "stage": "1"}})


CASES = (
    # The summary.
    BadCommand("summary that is a directory", after(instead("summary.json", Path.mkdir), *EVALUATE), ("run",)),
    BadCommand("summary that is a pipe", after(instead("summary.json", os.mkfifo), *EVALUATE), ("run",)),
    BadCommand(
        "summary that is a device",
        after(instead("summary.json", lambda file: file.symlink_to("/dev/zero")), *EVALUATE),
        ("run",),
    ),
    BadCommand(
        "summary in utf-16",
        after(content("summary.json", "{}".encode("utf-16")), *EVALUATE),
        ("summary.json is no summary",),
    ),
    BadCommand(
        "summary of brackets",
        after(content("summary.json", "[" * 200_000), *EVALUATE),
        ("summary.json is no summary", "nested"),
    ),
    BadCommand(
        "summary with a number of ten thousand digits",
        after(content("summary.json", '{"recipe": "a", "seed": ' + "9" * 10_000 + "}"), *EVALUATE),
        ("summary.json is no summary",),
    ),
    BadCommand(
        "summary with infinite epochs",
        after(
            content(
                "summary.json", '{"class_counts": [1, 1], "recipe": "a", "loss": "ce", "seed": 1e400, "command": ""}'
            ),
            *EVALUATE,
        ),
        ("summary.json is no summary",),
    ),
    BadCommand(
        "summary with metrics that are words",
        after(summary(metrics={"test/accuracy": "good"}), *EVALUATE),
        ("summary.json is no summary", "good"),
    ),
    BadCommand(
        "summary with metrics that are no numbers",
        after(summary(metrics={"test/accuracy": float("nan"), "test/balanced_accuracy": 1}), *REPORT),
        ("summary.json", "finite"),
    ),
    BadCommand(
        "summary with metrics in a list", after(summary(metrics=[1]), *EVALUATE), ("summary.json is no summary",)
    ),
    BadCommand(
        "summary with negative class counts", after(summary(class_counts=[-1] * 10), *EVALUATE), ("summary.json", "-1")
    ),
    BadCommand("summary with no class counts", after(summary(class_counts=[]), *EVALUATE), ("summary.json",)),
    BadCommand(
        "summary with class counts in words",
        after(summary(class_counts="ab"), *EVALUATE),
        ("summary.json is no summary",),
    ),
    BadCommand(
        "summary with other classes than the predictions",
        after(summary(class_counts=[5, 5], class_names=["a", "b"]), *ADJUST),
        ("do not fit its summary",),
    ),
    BadCommand(
        "summary with fewer names than classes",
        after(summary(class_names=["a", "b"]), *PREDICT),
        ("summary.json", "2", "10"),
    ),
    BadCommand("summary with a name twice", after(summary(class_names=["a"] * 10), *PREDICT), ("summary.json", "'a'")),
    BadCommand(
        "summary with inputs of a terabyte", after(summary(input_shape=[1000000, 1000000, 3]), *PREDICT), ("run",)
    ),
    BadCommand("summary with negative inputs", after(summary(input_shape=[-8, 8, 1]), *PREDICT), ("run", "-8")),
    BadCommand(
        "summary with inputs of five dimensions", after(summary(input_shape=[1, 1, 8, 8, 1]), *PREDICT), ("run",)
    ),
    BadCommand("summary without a seed", after(summary(seed=None), *EVALUATE), ("summary.json lacks 'seed'",)),
    BadCommand("summary of a stage without a name", after(summary(stage2={}), *EVALUATE), ("summary.json",)),
    BadCommand("summary of a stage that is a word", after(summary(stage2="crt"), *EVALUATE), ("summary.json",)),
    BadCommand(
        "summary of a stage with tau in words",
        after(summary(stage2={"name": "tau-norm", "tau": "much"}), *EVALUATE),
        ("summary.json",),
    ),
    BadCommand("summary of experts in words", after(summary(experts="many"), *EVALUATE), ("summary.json",)),
    BadCommand(
        "summary broken, run resumed", after(content("summary.json", "{"), *RESUME), ("summary.json is broken",)
    ),
    BadCommand(
        "summary of a list, run resumed", after(content("summary.json", "[]"), *RESUME), ("summary.json is broken",)
    ),
    BadCommand(
        "summary without metrics, run resumed",
        after(summary(metrics=None), *RESUME),
        ("summary.json is broken", "metrics"),
    ),
    # The configuration.
    BadCommand(
        "configuration that calls python",
        after(content("config.yaml", "loss: !!python/object/apply:os.system [touch hacked]"), *PREDICT),
        ("config.yaml cannot be read",),
    ),
    BadCommand(
        "configuration of laughs",
        after(
            content(
                "config.yaml",
                "a0: &a0 [lol, lol]\n"
                + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
                + "loss: {name: ce}\n",
            ),
            *PREDICT,
        ),
        ("config.yaml cannot be read", "aliases"),
    ),
    BadCommand(
        "configuration of brackets",
        after(content("config.yaml", "[" * 2_000), *PREDICT),
        ("config.yaml cannot be read", "nested"),
    ),
    BadCommand(
        "configuration that is a pipe",
        after(instead("config.yaml", os.mkfifo), *PREDICT),
        ("config.yaml cannot be read",),
    ),
    BadCommand(
        "configuration in utf-16",
        after(content("config.yaml", "loss: {name: ce}".encode("utf-16")), *PREDICT),
        ("config.yaml cannot be read",),
    ),
    BadCommand(
        "configuration with a loss that is none",
        after(config(lambda tree: tree["loss"].update(name="os.system")), *ADJUST),
        ("run", "no loss is named 'os.system'"),
    ),
    BadCommand(
        "configuration with a loss that is a number",
        after(config(lambda tree: tree["loss"].update(name=3)), *ADJUST),
        ("config.yaml",),
    ),
    BadCommand(
        "configuration with a stage that is a word",
        after(config(lambda tree: tree.update(stage2="crt")), *ADJUST),
        ("config.yaml",),
    ),
    BadCommand(
        "configuration with the network of a billion",
        after(config(lambda tree: tree["model"].update(widths=[1000000000])), *PREDICT),
        ("model.widths",),
    ),
    BadCommand(
        "configuration with a network beyond the memory",
        after(config(lambda tree: tree["model"].update(widths=[65536] * 100)), *PREDICT),
        ("does not fit the config.yaml",),
    ),
    BadCommand(
        "configuration of another network",
        after(config(lambda tree: tree["model"].update(widths=[7])), *PREDICT),
        ("does not fit the config.yaml",),
    ),
    BadCommand(
        "configuration with a name that leads away",
        after(config(lambda tree: tree.update(recipe="../../away")), *PREDICT),
        ("recipe", "../../away"),
    ),
    BadCommand(
        "configuration of nothing, run resumed",
        after(unfinished(content("config.yaml", "")), *RESUME),
        ("config.yaml cannot be read", "no mapping"),
    ),
    BadCommand(
        "configuration broken, run resumed",
        after(unfinished(content("config.yaml", "{")), *RESUME),
        ("config.yaml cannot be read",),
    ),
    BadCommand(
        "configuration that is a number, run resumed",
        after(unfinished(content("config.yaml", "3")), *RESUME),
        ("config.yaml cannot be read", "no mapping"),
    ),
    # Predictions.
    BadCommand(
        "predictions of objects",
        after(predictions(logits=np.array([{}], dtype=object)), *EVALUATE),
        ("predictions.npz cannot be read",),
    ),
    BadCommand(
        "predictions that are a pipe",
        after(instead("predictions.npz", os.mkfifo), *EVALUATE),
        ("predictions.npz cannot be read",),
    ),
    BadCommand(
        "predictions without logits",
        after(lambda run: np.savez(run / "predictions.npz", targets=[0]), *EVALUATE),
        ("predictions.npz cannot be read", "logits"),
    ),
    BadCommand("predictions of words", after(predictions(logits=np.full((3, 10), "a")), *EVALUATE), ("predictions",)),
    BadCommand(
        "predictions that are not numbers",
        after(predictions(logits=np.full((3, 10), np.nan), targets=np.arange(3)), *EVALUATE),
        ("predictions", "finite"),
    ),
    BadCommand("predictions of unequal lengths", after(predictions(targets=np.arange(3)), *EVALUATE), ("predictions",)),
    BadCommand(
        "predictions of one dimension",
        after(predictions(logits=np.zeros(10), targets=np.arange(10)), *EVALUATE),
        ("predictions",),
    ),
    BadCommand(
        "predictions of nothing",
        after(predictions(logits=np.zeros((0, 10)), targets=np.arange(0)), *EVALUATE),
        ("predictions",),
    ),
    BadCommand(
        "predictions of a negative target", after(predictions(targets=np.full(360, -1)), *EVALUATE), ("predictions",)
    ),
    BadCommand(
        "predictions of a target out of range",
        after(
            lambda run: predictions(targets=np.full(len(np.load(run / "predictions.npz")["targets"]), 77))(run),
            *EVALUATE,
        ),
        ("predictions", "77"),
    ),
    BadCommand(
        "predictions of targets with fractions",
        after(
            lambda run: predictions(targets=np.full(len(np.load(run / "predictions.npz")["targets"]), 0.5))(run),
            *EVALUATE,
        ),
        ("predictions", "float64"),
    ),
    BadCommand(
        "predictions of validation samples that do not fit",
        after(predictions(validation_targets=np.array([1, 2])), *EVALUATE, "--posthoc", "temperature"),
        ("predictions.npz cannot be read", "(2,)"),
    ),
    # Weights.
    BadCommand(
        "weights that are a directory",
        after(instead("weights.safetensors", Path.mkdir), *PREDICT),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights that are a pipe",
        after(instead("weights.safetensors", os.mkfifo), *PREDICT),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights that are empty",
        after(content("weights.safetensors", b""), *PREDICT),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights of a pickle",
        after(lambda run: torch.save({"head.weight": torch.zeros(3)}, run / "weights.safetensors"), *PREDICT),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights with a header of exabytes",
        after(content("weights.safetensors", lying({}, size=2**60)), *PREDICT),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights with tensors beyond the file",
        after(
            content(
                "weights.safetensors",
                lying({"head.weight": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}),
            ),
            *PREDICT,
        ),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights with a shape that wraps around",
        after(
            content(
                "weights.safetensors",
                lying({"head.weight": {"dtype": "F32", "shape": [2**63, 2], "data_offsets": [0, 0]}}),
            ),
            *PREDICT,
        ),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights with overlapping tensors",
        after(
            content(
                "weights.safetensors",
                lying({n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in "ab"}, bytes(8)),
            ),
            *PREDICT,
        ),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights of an unknown type",
        after(
            content(
                "weights.safetensors", lying({"a": {"dtype": "PICKLE", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))
            ),
            *PREDICT,
        ),
        ("weights.safetensors cannot be read",),
    ),
    BadCommand(
        "weights that lack a tensor",
        after(weights(lambda state: state.pop("head.weight")), *PREDICT),
        ("head.weight is to have shape", "none"),
    ),
    BadCommand(
        "weights of complex numbers",
        after(weights(lambda state: state.update({"head.weight": state["head.weight"].to(torch.complex64)})), *PREDICT),
        ("head.weight", "complex64"),
    ),
    BadCommand(
        "weights of whole numbers",
        after(weights(lambda state: state.update({"head.weight": state["head.weight"].long()})), *PREDICT),
        ("head.weight", "int64"),
    ),
    BadCommand(
        "weights that are not numbers",
        after(weights(lambda state: state["head.weight"].fill_(float("nan"))), *PREDICT),
        ("not finite",),
        1,
        lines=3,
    ),
    # What resuming reads.
    BadCommand(
        "indices broken, run resumed",
        after(unfinished(content("indices.npz", b"PK no")), *RESUME),
        ("indices.npz cannot be read",),
    ),
    BadCommand(
        "indices without a fingerprint, run resumed",
        after(unfinished(lambda run: np.savez(run / "indices.npz", train=[0])), *RESUME),
        ("indices.npz cannot be read", "fingerprint"),
    ),
    BadCommand(
        "indices of objects, run resumed",
        after(unfinished(lambda run: np.savez(run / "indices.npz", fingerprint=np.array({}, dtype=object))), *RESUME),
        ("indices.npz cannot be read",),
    ),
    BadCommand(
        "indices that are a pipe, run resumed",
        after(unfinished(instead("indices.npz", os.mkfifo)), *RESUME),
        ("indices.npz cannot be read",),
    ),
    BadCommand(
        "indices of other samples, run resumed",
        after(unfinished(lambda run: np.savez(run / "indices.npz", fingerprint=np.array("other"))), *RESUME),
        ("begun on other data",),
    ),
    BadCommand(
        "environment broken, run resumed",
        after(unfinished(content("environment.json", "{")), *RESUME),
        ("environment.json cannot be read",),
    ),
    BadCommand(
        "environment of a list, run resumed",
        after(unfinished(content("environment.json", "[1]")), *RESUME),
        ("environment.json cannot be read",),
    ),
    BadCommand(
        "metrics broken, run resumed",
        after(unfinished(content("metrics.jsonl", "what\n" * 5)), *RESUME),
        ("metrics.jsonl",),
    ),
    BadCommand(
        "metrics without seconds, run resumed",
        after(unfinished(content("metrics.jsonl", '{"epoch": 1}\n' * 5)), *RESUME),
        ("metrics.jsonl", "seconds"),
    ),
    BadCommand(
        "checkpoint of nothing, run resumed",
        after(unfinished(content("state/last.safetensors", b"")), *RESUME),
        ("last.safetensors is not a checkpoint",),
    ),
    BadCommand(
        "checkpoint that is a pipe, run resumed",
        after(unfinished(instead("state/last.safetensors", os.mkfifo)), *RESUME),
        ("last.safetensors is not a checkpoint",),
    ),
    BadCommand(
        "checkpoint of weights alone, run resumed",
        after(
            unfinished(lambda run: shutil.copy(run / "weights.safetensors", run / "state/last.safetensors")), *RESUME
        ),
        ("last.safetensors is not a checkpoint",),
    ),
    BadCommand(
        "checkpoint of another shape, run resumed",
        after(
            unfinished(content("state/last.safetensors", _checkpoint({"pairs": [["epoch", 1], ["parts", "none"]]}))),
            *RESUME,
        ),
        ("last.safetensors is not a checkpoint",),
    ),
    BadCommand(
        "checkpoint of brackets, run resumed",
        after(unfinished(content("state/last.safetensors", lying({"__metadata__": {"tree": "[" * 100_000}}))), *RESUME),
        ("last.safetensors is not a checkpoint",),
    ),
    BadCommand(
        "checkpoint of a stage that is none, run resumed",
        after(
            unfinished(content("state/last.safetensors", lying({"__metadata__": {"tree": "{}", "stage": "two"}}))),
            *RESUME,
        ),
        ("last.safetensors is not a checkpoint",),
    ),
    # Other commands.
    BadCommand(
        "folder of runs that a report has none of",
        lambda folder: [(folder / "none").mkdir(), "none"] and ["report", "none"],
        ("none has no finished run",),
    ),
    BadCommand("report to a folder", lambda folder: ["report", "run", "--out", "run"], ("--out run is a folder",)),
    BadCommand(
        "report onto a file below a file",
        lambda folder: ["report", "run", "--out", "run/config.yaml/page.html"],
        ("is a file",),
    ),
    BadCommand("rank by a single method", lambda folder: ["rank", "run"], ("rank",)),
    BadCommand(
        "export of a run without weights",
        after(lambda run: (run / "weights.safetensors").unlink(), "export", "run", "-o", "out.onnx"),
        ("weights.safetensors",),
    ),
)
