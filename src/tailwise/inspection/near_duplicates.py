"""Samples that are there more than once: equal rows of a table, images that differ in encoding or size alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

SIDE = 32
THUMBNAIL = 12
FARTHEST = 0.08
"""Distance of the thumbnails of near-duplicates. Of 400 photographs of 32 x 32, 97% of copies as JPEG of quality 75 or
resized to 24 x 24 are nearer to their original, and no other pair is; of handwritten ones, 1% have another as near."""
PLAIN = 1e-3
"""Contrast below which an image is of one colour."""
TOGETHER = 2**25
"""Similarities that are computed at a time."""
MANY_PAIRS = 2**20

Pairs = NDArray[np.int64]
"""(P, 2): rows i < j, in ascending order of j: of samples that are alike, each with the first of them."""


def thumbnails(batches: Iterable[NDArray[np.uint8]]) -> Tensor:
    """(N, 145) of images that come in batches (B, H, W, channels): what they are compared by, of length 1.

    12 x 12 grey pixels less their mean, so that neither brightness nor contrast matters; the last number is for images
    of one colour, which have nothing else.
    """
    found = []
    for batch in batches:
        grey = torch.tensor(batch).float().mean(dim=3).unsqueeze(1) / 255
        square = F.interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
        small = F.adaptive_avg_pool2d(square, THUMBNAIL).flatten(1)
        small = small - small.mean(dim=1, keepdim=True)
        plain = small.norm(dim=1, keepdim=True) < PLAIN * THUMBNAIL
        found.append(torch.cat([F.normalize(small) * ~plain, plain], dim=1))
    return torch.cat(found)


def near_duplicates(images: Tensor) -> Pairs:
    """Images that are nearly the same, of their thumbnails (N, 145).

    Every image is compared with every other; those that are linked by ones between them count as alike.
    """
    number = len(images)
    least = 1 - FARTHEST**2 / 2  # similarity, of vectors of length 1
    groups = np.arange(number)
    edges: list[NDArray[np.int64]] = []
    start = 0
    while start < number:
        stop = start + max(1, TOGETHER // (number - start))
        alike = (images[start:stop] @ images[start:].T >= least).nonzero().numpy() + start
        edges.append(alike[alike[:, 0] < alike[:, 1]])
        start = stop
        if start >= number or sum(map(len, edges)) > MANY_PAIRS:
            groups = _linked(groups, np.concatenate(edges))
            edges = []
    return _with_the_first(groups)


def equal_rows(features: NDArray[np.float32]) -> Pairs:
    """Rows that are equal."""
    rows = np.ascontiguousarray(features + np.float32(0))  # -0 becomes 0
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    return _with_the_first(np.unique(whole, return_inverse=True)[1])


def _linked(groups: NDArray[np.int64], edges: Pairs) -> NDArray[np.int64]:
    """The groups (N,) when the members of edges are of one group as well."""
    size = len(groups)
    first, second = groups[edges].T
    linked = coo_array((np.ones(len(edges), dtype=bool), (first, second)), shape=(size, size))
    components: NDArray[np.int64] = connected_components(linked, directed=False)[1].astype(np.int64)
    return components[groups]


def _with_the_first(groups: NDArray[np.int64]) -> Pairs:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    others = np.flatnonzero(first[inverse] != np.arange(len(groups)))
    return np.stack([first[inverse[others]], others], axis=1)
