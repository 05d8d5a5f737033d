"""Between numpy and torch, for every dtype, stride and device that either of them has."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_array(values: Any) -> NDArray[Any]:
    """A numpy array of a list, array or tensor; a tensor may be on any device, in the graph, and of any dtype."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    # numpy has no bfloat16 and no float8.
    return np.asarray((values.double() if values.is_floating_point() else values).numpy())


def as_tensor(values: Any) -> Tensor:
    """A tensor of a list, array or tensor; an array may be of any byte order and strides."""
    if isinstance(values, np.ndarray):
        values = np.asarray(values, dtype=values.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(values)
