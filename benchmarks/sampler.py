"""Draws a second and memory of class-balanced sampling from very many targets, on one core.

Beside it torch's WeightedRandomSampler, which users otherwise take, as far as it goes: it refuses more than 2^24.

    python benchmarks/sampler.py --out benchmarks/results/sampler.json
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from side_by_side import parser, take_turns, write

from tailwise.sampling import SamplesByClass, class_probabilities, rebalanced_indices

CLASSES = 1000
TORCH_LIMIT = 2**24


def targets_of(samples: int) -> Any:
    """Labels whose frequency falls by a hundred from the first class to the last."""
    shares = np.geomspace(100, 1, CLASSES)
    return np.random.default_rng(0).choice(CLASSES, samples, p=shares / shares.sum()).astype(np.int32)


def tailwise_draws(turn: int, samples: int) -> dict[str, float]:
    targets = targets_of(samples)
    began = time.perf_counter()
    by_class = SamplesByClass(targets, CLASSES)
    prepared = time.perf_counter() - began
    probabilities = class_probabilities("class-balanced", by_class.counts)
    began = time.perf_counter()
    rebalanced_indices(by_class, probabilities, samples, np.random.default_rng(turn))
    return {
        "million_draws_a_second": samples / (time.perf_counter() - began) / 1e6,
        "seconds_to_prepare": prepared,
        "bytes_a_sample": by_class.indices.nbytes / samples,
    }


def torch_draws(turn: int, samples: int) -> dict[str, float]:
    samples = min(samples, TORCH_LIMIT)
    targets = targets_of(samples)
    torch.manual_seed(turn)
    began = time.perf_counter()
    weights = torch.from_numpy(1 / np.bincount(targets, minlength=CLASSES)[targets])
    prepared = time.perf_counter() - began
    began = time.perf_counter()
    torch.multinomial(weights, samples, replacement=True)
    return {
        "million_draws_a_second": samples / (time.perf_counter() - began) / 1e6,
        "seconds_to_prepare": prepared,
        "bytes_a_sample": weights.element_size(),
    }


def main(given: list[str] | None = None) -> dict[str, Any]:
    options = parser(__doc__, repeats=3)
    options.add_argument("--samples", type=int, default=10**8)
    options.set_defaults(threads=1)
    arguments = options.parse_args(given)
    contenders = {"tailwise": tailwise_draws, "torch, at most 2^24 samples": torch_draws}
    runs = take_turns(contenders, arguments.repeats, arguments.threads, samples=arguments.samples)
    result = {"samples": arguments.samples, "classes": CLASSES, "repeats": arguments.repeats, "runs": runs}
    write(arguments.out, result)
    return result


if __name__ == "__main__":
    main()
