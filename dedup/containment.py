"""Documents as sequences of block labels in; the documents that others contain out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I64, Bool
from dedup.kernels.contain import document_frequencies, find_containers
from dedup.kernels.tables import FREE
from dedup.workspace import Workspace


class Containers(NamedTuple):
    """Documents found in others.

    Attributes:
        containers: int64[n], the document that holds it, FREE for none.
        shares: float64[n], share of its blocks found there in order, 0-1.
        skipped: comparisons left out for the limit's sake, at least.
    """

    containers: I64
    shares: F64
    skipped: int


def contained_documents(
    content: I64,
    keepers: I64,
    long: Bool,
    bounds: I64,
    alive: Bool,
    rank: I64,
    share: float,
    limit: int,
    workspace: Workspace,
) -> Containers:
    """Find documents whose blocks stand, in the same order, in another document.

    Args:
        content: int64[b], content of each block, FREE for none; documents one behind the other.
        keepers: int64[d], label of each content: equal for equal texts and near-duplicates.
        long: bool[d], contents that count.
        bounds: int64[n + 1], where each document begins.
        alive: bool[n], documents to look at.
        rank: int64[n], survivor order of documents; empty for the order in which they stand.
        share: share of a document's blocks that must be found, 0-1.
        limit: documents that one is compared with.
        workspace: where large arrays rest.
    """
    n, d = bounds.size - 1, keepers.size
    frequencies = workspace.scratch(d, np.int32, 0)
    sizes = np.zeros(n, np.int64)
    pairs = document_frequencies(
        content, keepers, long, bounds, alive, workspace.scratch(d, np.int64, FREE), frequencies, sizes
    )
    order = np.argsort(rank, kind="stable") if rank.size else np.arange(n)
    order = order[sizes[order] > 0]
    order = order[np.argsort(-sizes[order], kind="stable")]
    containers = np.full(n, FREE, np.int64)
    shares = np.zeros(n, np.float64)
    ends, postings = workspace.scratch(d, np.int64), workspace.scratch(pairs, np.int64)
    marks = workspace.scratch(d, np.int64, FREE)
    skipped = find_containers(
        content, keepers, long, bounds, sizes, order, frequencies, ends, postings, marks, rank, share, limit,
        containers, shares,
    )  # fmt: skip
    return Containers(containers, shares, skipped)
