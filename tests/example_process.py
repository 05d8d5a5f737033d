"""Runs one of examples/ as a script, with timm and torchvision importable where they lie beside the environment.

Usage: python tests/example_process.py examples/NAME.py
"""

from __future__ import annotations

import runpy
import sys

from timm_beside import put_timm_on_path

if __name__ == "__main__":
    put_timm_on_path()
    runpy.run_path(sys.argv[1], run_name="__main__")
