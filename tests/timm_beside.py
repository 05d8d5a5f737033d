"""timm and torchvision, where they lie beside the environment: made importable for this process."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import torch

LIBRARIES: list[torch.library.Library] = []
"""A library that nobody holds takes its operators with it."""


def put_timm_on_path() -> None:
    """Make timm and torchvision importable in this process, where they are not installed.

    timm imports torchvision, whose compiled operators exist for the one torch build that they were made with. With any
    other, the import fails at the first of them. No test uses one: their names are enough.
    """
    if importlib.util.find_spec("timm") is not None:
        return
    folder = Path(sys.prefix) / "timm"
    assert folder.is_dir(), f"the tests need timm and torchvision in {folder}; `make install` puts them there"
    source = (folder / "torchvision" / "_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    for name in set(re.findall(r'register_meta\("(\w+)"|register_fake\("torchvision::(\w+)"', source)):
        library.define(f"{''.join(name)}() -> Tensor")
    LIBRARIES.append(library)
    sys.path.insert(0, str(folder))
