"""Documents as sequences of block labels in; the documents that others contain out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I64, Bool
from dedup.kernels.contain import FREE, find_containers


class Containers(NamedTuple):
    """Documents found in others.

    Attributes:
        containers: int64[n], the document that holds it, FREE for none.
        shares: float64[n], share of its blocks found there in order, 0-1.
        skipped: comparisons left out for the limit's sake.
    """

    containers: I64
    shares: F64
    skipped: int


def contained_documents(labels: I64, bounds: I64, alive: Bool, share: float, limit: int) -> Containers:
    """Find documents whose blocks stand, in the same order, in another document.

    Args:
        labels: int64, label of each block (equal: the same text or a near-duplicate), FREE for blocks that do not
            count; documents one behind the other.
        bounds: int64[n + 1], where each document begins.
        alive: bool[n], documents to look at.
        share: share of a document's blocks that must be found, 0-1.
        limit: documents that one is compared with.
    """
    n = bounds.size - 1
    docs = np.repeat(np.arange(n), np.diff(bounds))
    counted = (labels != FREE) & alive[docs]
    docs, kept = docs[counted], labels[counted]
    names, dense = np.unique(kept, return_inverse=True)
    ordered = np.unique(np.stack([dense, docs], axis=1), axis=0)
    posting_bounds = np.searchsorted(ordered[:, 0], np.arange(names.size + 1))
    containers = np.full(n, FREE, np.int64)
    shares = np.zeros(n, np.float64)
    skipped = find_containers(
        dense.astype(np.int64),
        np.searchsorted(docs, np.arange(n + 1)),
        np.ascontiguousarray(ordered[:, 1]),
        posting_bounds,
        share,
        limit,
        containers,
        shares,
    )
    return Containers(containers, shares, skipped)
