"""Arrays and tensors of every kind, one to the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tailwise.conversion import as_array, as_tensor

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize(
    "array",
    [VALUES[::-1][::-1], np.flip(np.flip(VALUES)), VALUES.astype(">f4"), np.asfortranarray(VALUES)],
    ids=["twice reversed", "flipped", "big-endian", "column-major"],
)
def test_an_array_of_any_layout_becomes_a_tensor(array: np.ndarray) -> None:
    assert torch.equal(as_tensor(array), torch.tensor(VALUES.tolist()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int8])
def test_a_tensor_of_any_dtype_becomes_an_array(dtype: torch.dtype) -> None:
    np.testing.assert_array_equal(as_array(torch.tensor(VALUES).to(dtype)), VALUES)


def test_a_tensor_in_the_graph_becomes_an_array() -> None:
    np.testing.assert_array_equal(as_array(torch.tensor(VALUES, requires_grad=True) * 2), VALUES * 2)
