"""How many of torch's threads a training gains from."""

from __future__ import annotations

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from tailwise.models.classifier import Classifier

WORK_OF_A_THREAD = 2e9
"""Operations of a step from which on a further thread pays: with fewer, threads wait for each other more than work."""


def useful_threads(classifier: Classifier, sample_shape: tuple[int, ...], batch_size: int) -> int:
    """Between one and as many as torch has now, by the matrix products and convolutions of a step.

    Of torch's own operations: the compiled layers share their work out by themselves. A LeNet on batches of 100 small
    images takes one, a ResNet-32 all.
    """
    dtype = torch.uint8 if len(sample_shape) == 3 else torch.float32
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy.deepcopy(classifier).to("meta").eval()(torch.empty(1, *sample_shape, dtype=dtype, device="meta"))
    step = 3 * batch_size * int(counter.get_total_flops())  # backward is twice forward
    return max(1, min(torch.get_num_threads(), round(step / WORK_OF_A_THREAD)))
