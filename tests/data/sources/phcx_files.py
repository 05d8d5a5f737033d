"""Pulsar candidates in the PHCX format, as small as they can be."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<phcf>
<head><SourceID>G305.9+0.1</SourceID><Telescope>Parkes</Telescope><CentreFreq units="MHz">1352.0</CentreFreq></head>
"""


def block(name: str, values: NDArray[np.uint8], low: float = 0.0, high: float = 255.0, **other: Any) -> str:
    """Eight values a line, as the survey's files break their lines."""
    sub, bins = values.shape
    attributes = {"nBins": bins, "nSub": sub, "format": "02X", "min": low, "max": high} | other
    digits = [f"{value:02X}" for value in values.ravel()]
    lines = "\n".join("".join(digits[place : place + 8]) for place in range(0, len(digits), 8))
    written = " ".join(f"{key}='{value}'" for key, value in attributes.items() if value is not None)
    return f"<{name} {written}>\n{lines}\n</{name}>\n"


def candidate(subintegrations: str, subbands: str, raw: str = "") -> str:
    """A whole file of two sections; ``raw`` is what the section before the optimised one holds."""
    best = "<BestValues><BaryPeriod units='s'>0.5</BaryPeriod><Snr>9.8</Snr></BestValues>"
    others = block("Profile", np.zeros((1, 8), np.uint8)) + block("DataBlock", np.zeros((2, 8), np.uint8))
    first = f"<Section name='FFT'>{best}{raw}{others}</Section>"
    return f"{HEADER}{first}<Section name='FFT-pdmpd'>{best}{subbands}{others}{subintegrations}</Section></phcf>"


def written(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode()))
    return path
