"""The benchmarks run, on the smallest of sizes, and their baselines compute what they are held against."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tailwise.data.loader import prepare
from tailwise.recipes.catalog import load_recipe

FOLDER = Path(__file__).parents[1] / "benchmarks"
SIZES = {
    "gppe_mnist": ["--repeats", "1", "--epochs", "1"],
    "cifar_resnet32": ["--repeats", "1", "--images", "8", "--workers", "1"],
    "released_losses": ["--repeats", "1", "--batch", "6", "--classes", "4"],
    "sampler": ["--repeats", "1", "--samples", "1000000"],
    "augmentation": ["--repeats", "1"],
    "report_page": ["--repeats", "1", "--methods", "3", "--seeds", "1", "--classes", "4", "--samples", "80"],
    "big_data": ["--only", "image list", "--images", "500"],
    "linear_loss": ["--repeats", "1", "--batch", "1024", "--classes", "8192", "--features", "4"],
}


def script(name: str, *arguments: str, data_root: Path) -> str:
    environment = {**os.environ, "TAILWISE_DATA": str(data_root)}
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_benchmark_is_run_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"side_by_side", "synthetic_runs"} == SIZES.keys()


QUICK = ("augmentation", "released_losses")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name not in QUICK)) for name in SIZES])
def test_benchmark_prints_a_comparison_and_writes_it(name: str, tmp_path: Path, data_root: Path) -> None:
    if name == "report_page" and shutil.which("chromium") is None:
        pytest.skip("there is no chromium on this machine, in which the page is opened")
    out = tmp_path / "result.json"
    assert script(name, *SIZES[name], "--threads", "1", "--out", str(out), data_root=data_root)
    written = json.loads(out.read_text())
    assert written["machine"]["threads"] == 1
    assert written["machine"]["torch"] == torch.__version__


@pytest.mark.parametrize("file", sorted((FOLDER / "gpu").glob("*.yaml")), ids=lambda file: file.stem)
def test_recipes_for_a_gpu_resolve(file: Path) -> None:
    template = load_recipe(str(file))
    assert template.rows == ["ce", "balanced_softmax", "gala", "cri+ppl", "gala+pn"]
    for row in template.rows:
        resolved = template.resolve(template.trained_for(row), 0, [])
        assert resolved.training.epochs == 200
        assert [step.name for step in resolved.data.augmentation] == ["crop", "flip", "autoaugment", "cutout"]


def test_recipe_for_a_gpu_finds_the_images_that_the_pool_of_cifar100_has(data_root: Path) -> None:
    template = load_recipe(str(FOLDER / "gpu/cifar100-lt-if100.yaml"))
    data = prepare(template.resolve("ce").data, data_root)
    assert len(data.train.arrays.targets) == 10_447  # 10 847 in the whole of CIFAR-100


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    import released_losses

    return released_losses


def test_released_loops_compute_what_the_losses_compute(released: Any) -> None:
    counts = torch.tensor([90, 40, 7, 3])
    for name, (loop, loss) in released.contenders(4, counts).items():
        generator = torch.Generator().manual_seed(0)
        for _ in range(3):
            logits = torch.randn(9, 4, generator=generator)
            target = torch.randint(4, (9,), generator=generator)
            found, wanted = loop(logits, target), loss(logits, target)
            torch.testing.assert_close(found, wanted, msg=lambda text, name=name: name + text)
