"""What numbers were made with: the machine and the versions, for a run's record and beside every measurement."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tailwise


def describe_machine(device: str) -> dict[str, Any]:
    """Versions, system, cores, torch's threads, and the processor or GPU that computes."""
    return {
        "tailwise": tailwise.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device == "cuda" else _processor(),
    }


def _processor() -> str:
    """Its name; Linux tells it in a file and leaves Python's own answer empty."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
