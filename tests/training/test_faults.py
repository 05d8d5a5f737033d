"""What stops a run: one line that says how to go on, the last checkpoint kept, and the same end after --resume."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recipe_trees import quick_recipe
from tailwise.data.streaming import StreamedSamples
from tailwise.errors import InputError, TrainingError
from tailwise.losses import CrossEntropyLoss
from tailwise.recipes.config import Recipe
from tailwise.training.engine import RunOptions, train
from tailwise.training.faults import faults_named
from tailwise.training.run_directory import RunDirectory
from training.test_engine_streaming import listed_recipe

GOING_ON = "what is saved is kept, and --resume goes on after the last whole epoch"
Act = Callable[[], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an undisturbed run leaves."""
    out = tmp_path_factory.mktemp("whole")
    train(quick_recipe(), out, RunOptions(threads=1, device="cpu"))
    return out


def options(epoch: int = 0, act: Act = lambda: None, resume: bool = False) -> RunOptions:
    """Of a run in which something happens after an epoch."""

    def on_epoch(line: dict[str, Any]) -> None:
        if line["epoch"] == epoch:
            act()

    return RunOptions(threads=1, device="cpu", resume=resume, on_epoch=on_epoch)


def assert_goes_on(out: Path, whole: Path) -> None:
    """One epoch is on record as the checkpoint has it, and what follows is as if nothing had happened."""
    resumed: list[int] = []
    going_on = RunOptions(threads=1, device="cpu", resume=True, on_epoch=lambda line: resumed.append(line["epoch"]))
    train(quick_recipe(), out, going_on)
    assert resumed == [2, 3]
    for file in ("weights.safetensors", "predictions.npz", "config.yaml", "indices.npz"):
        assert (out / file).read_bytes() == (whole / file).read_bytes()
    assert not list(out.rglob(".*.partial"))


def mount(*words: str | Path) -> None:
    """Skip the test where that is not allowed."""
    command = ["mount", *map(str, words)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tailwise", place)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    free = shutil.disk_usage(disk).free
    (disk / "others").write_bytes(bytes(free))
    assert not shutil.disk_usage(disk).free


def test_full_disk_is_named_and_the_run_goes_on_when_there_is_room(small_disk: Path, whole: Path) -> None:
    out = small_disk / "run"
    with pytest.raises(TrainingError) as stopped:
        train(quick_recipe(), out, options(1, lambda: fill(small_disk)))
    assert str(stopped.value) == (
        f"no room for {out} on {small_disk} (No space left on device): free some space there; {GOING_ON}"
    )
    (small_disk / "others").unlink()
    assert_goes_on(out, whole)


def test_directory_that_becomes_read_only_is_named_and_the_run_goes_on(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"

    def make_read_only() -> None:
        """By a mount of it on itself, for root may write whatever the mode says."""
        mount("--bind", out, out)
        mount("-o", "remount,bind,ro", out)

    try:
        with pytest.raises(TrainingError) as stopped:
            train(quick_recipe(), out, options(1, make_read_only))
        with pytest.raises(InputError, match=rf"cannot write to {out}: Read-only file system; choose another --out"):
            train(quick_recipe(), out, options(resume=True))
    finally:
        subprocess.run(["umount", str(out)], check=False, capture_output=True)
    assert str(stopped.value) == (
        f"cannot write to {out} any more (Read-only file system): make it writable; {GOING_ON}"
    )
    assert_goes_on(out, whole)


def test_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*file/run: Not a directory; choose another --out"):
        train(quick_recipe(), tmp_path / "file/run", options())


def test_limit_of_file_sizes_is_named_and_the_run_goes_on_without(tmp_path: Path, whole: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))

    try:
        with pytest.raises(TrainingError, match=r"no room for .* \(File too large\): free some space there"):
            train(quick_recipe(), tmp_path / "run", options(1, limit))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_goes_on(tmp_path / "run", whole)


@pytest.mark.parametrize("fails", ["write_bytes", "open", "replace"])
def test_disk_that_is_full_at_any_step_of_writing_leaves_the_files_before(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(TrainingError, match="free some space there"):
        train(quick_recipe(), tmp_path / "run", options(1, lambda: patched.setattr(Path, fails, full)))
    assert_goes_on(tmp_path / "run", whole)


def test_image_that_is_removed_while_training_is_named_and_the_run_goes_on_when_it_is_back(tmp_path: Path) -> None:
    recipe = listed_recipe(tmp_path)
    image = tmp_path / "train/6.png"
    kept = image.read_bytes()
    train(recipe, tmp_path / "whole", options())
    with pytest.raises(InputError, match=r"there is no image .*train/6\.png \(line 7 of .*train\.txt\); put it there"):
        train(recipe, tmp_path / "run", options(1, image.unlink))
    image.write_bytes(kept)
    train(recipe, tmp_path / "run", options(resume=True))
    for file in ("weights.safetensors", "predictions.npz"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def cpu_without_memory() -> None:
    torch.empty(2**60)


def numpy_without_memory() -> None:
    np.empty(2**50)


def gpu_without_memory() -> None:
    if torch.cuda.is_available():
        torch.empty(2**50, device="cuda")
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 16 GiB.\nSee below")


@pytest.mark.parametrize("allocate", [cpu_without_memory, numpy_without_memory, gpu_without_memory])
def test_batch_that_is_too_large_for_the_memory_is_named_with_its_setting(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, allocate: Act
) -> None:
    forward = CrossEntropyLoss.forward

    def allocating(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        allocate()
        return forward(self, logits, target)

    with monkeypatch.context() as patched, pytest.raises(TrainingError) as stopped:
        train(
            quick_recipe(),
            tmp_path / "run",
            options(1, lambda: patched.setattr(CrossEntropyLoss, "forward", allocating)),
        )
    said = str(stopped.value)
    assert said.startswith("out of memory (")
    assert said.endswith(
        f": free some, or train with a smaller training.batch_size (now 64) and another --out; {GOING_ON}"
    )
    assert "\n" not in said
    assert_goes_on(tmp_path / "run", whole)


def test_process_that_decodes_and_is_killed_is_named_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = listed_recipe(tmp_path)
    train(recipe, tmp_path / "whole", options())
    monkeypatch.setattr("tailwise.data.loader.StreamedSamples", partial(StreamedSamples, workers=1))
    forward, seen = CrossEntropyLoss.forward, [0]

    def killing(self: CrossEntropyLoss, *given: torch.Tensor) -> torch.Tensor:
        seen[0] += 1
        if seen[0] == 6:  # in the second epoch of four batches
            for worker in multiprocessing.active_children():
                worker.kill()
        return forward(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(CrossEntropyLoss, "forward", killing)
        with pytest.raises(TrainingError) as stopped:
            train(recipe, tmp_path / "run", options())
    told = r"a process that decodes images died \(DataLoader worker .*\): decode in the run itself with --threads 1; "
    assert re.fullmatch(told + GOING_ON, str(stopped.value))
    assert RunDirectory(tmp_path / "run").epochs == 1
    train(recipe, tmp_path / "run", options(resume=True))
    for file in ("weights.safetensors", "predictions.npz"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


def test_full_disk_of_another_file_is_named_by_that_file(small_disk: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError, match=rf"no room for {small_disk}/cache on {small_disk} \("),
        faults_named(tmp_path / "run", 8),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(small_disk / "cache"))


def test_batch_that_is_too_small_for_batch_normalisation_is_named_with_its_setting(tmp_path: Path) -> None:
    """ResNet-20 halves four pixels twice, and nine of 28 samples leave one."""
    config = listed_recipe(tmp_path).model_dump(mode="json")
    config["data"]["source"] |= {"image_size": 4, "resize": 4}
    config |= {"model": {"name": "resnet20"}, "training": {"epochs": 1, "batch_size": 9}}
    told = "needs more than one sample, and a training.batch_size of 9 leaves a batch of one; choose another"
    with pytest.raises(InputError, match=told):
        train(Recipe.model_validate(config), tmp_path / "run", options())


@pytest.mark.parametrize("said", ["shapes differ", "out of resource: shared memory, Required: 262144"])
def test_other_errors_keep_their_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    def wrong(*given: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(CrossEntropyLoss, "forward", wrong)
    with pytest.raises(RuntimeError, match=f"^{said}$"):
        train(quick_recipe(), tmp_path, options())


def test_last_step_that_breaks_the_weights_leaves_the_checkpoint_before(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loss has seen those weights: a checkpoint of them would be one to no avail."""
    forward, losses = CrossEntropyLoss.forward, {"seen": 0}

    def breaking(self: CrossEntropyLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        losses["seen"] += 1
        loss = forward(self, logits, target)
        if losses["seen"] == 8:  # the last batch of the second epoch
            loss.register_hook(lambda gradient: gradient * torch.inf)
        return loss

    with monkeypatch.context() as patched:
        patched.setattr(CrossEntropyLoss, "forward", breaking)
        with pytest.raises(TrainingError, match=r"a weight became infinite in epoch 2; lower optimizer\.lr"):
            train(quick_recipe(), tmp_path / "run", options())
    assert_goes_on(tmp_path / "run", whole)


def test_run_that_was_killed_between_its_first_files_gets_them_all(tmp_path: Path, whole: Path) -> None:
    for present in ("config.yaml", "indices.npz"):
        (tmp_path / present).mkdir()
        out = tmp_path / present / "run"
        out.mkdir()
        shutil.copy(whole / present, out)
        (out / ".config.yaml.7.partial").write_text("rec")
        train(quick_recipe(), out, options(resume=True))
        for file in ("config.yaml", "indices.npz", "weights.safetensors"):
            assert (out / file).read_bytes() == (whole / file).read_bytes()
        assert not list(out.rglob(".*.partial"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="files are known by /proc")
def test_files_of_long_epochs_are_on_the_disk_before_they_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def syncing(file: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{file}').readlink().name}")
        sync(file)

    def replacing(self: Path, target: Path) -> Path:
        done.append(f"name {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", replacing)
    monkeypatch.setattr("tailwise.training.run_directory.SYNCED_SECONDS", float("inf"))
    train(quick_recipe("ce", 0, "training.epochs=1"), tmp_path / "short", options())
    assert not [step for step in done if step.startswith("sync")]
    done.clear()
    monkeypatch.setattr("tailwise.training.run_directory.SYNCED_SECONDS", 0.0)
    train(quick_recipe("ce", 0, "training.epochs=1"), tmp_path / "long", options())
    last = ("last.safetensors", "predictions.npz", "weights.safetensors", "summary.json")
    steps = [step for name in last for step in (f"sync .{name}.{os.getpid()}.partial", f"name {name}")]
    assert done[done.index("sync metrics.jsonl") :] == ["sync metrics.jsonl", *steps]


def killed(folder: Path, kills: int) -> dict[str, Any]:
    """What ``killing_process`` reports."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(Path(__file__).with_name("killing_process.py")), str(folder), str(kills)]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    report: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return report


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.long)])
def test_process_killed_at_any_moment_loses_the_current_epoch_alone_and_resumes_to_the_same_end(
    tmp_path: Path, kills: int, record_property: Callable[[str, object], None]
) -> None:
    report = killed(tmp_path, kills)
    record_property("kills", report["kills"])
    assert report["kills"] == kills
    assert report["while writing"] >= kills // 4
    assert report["most epochs lost"] <= 1
