"""Documents as sequences of block labels in; for each the document that holds it, in order, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import F64, I64
from dedup.kernels.compile import helper, kernel

FREE = -1


@helper
def common_in_order(left: I64, right: I64, where: I64, lengths: I64) -> int:
    """Return the length of the longest common subsequence of two label sequences.

    Labels of ``left`` are few; ``lengths`` is one row of the dynamic programme, rolled (Wagner & Fischer 1974).
    """
    for j in range(right.size + 1):
        lengths[j] = 0
    for i in range(left.size):
        if where[left[i]] == FREE:  # it does not stand on the right at all
            continue
        diagonal = 0
        for j in range(right.size):
            above = lengths[j + 1]
            if left[i] == right[j]:
                lengths[j + 1] = diagonal + 1
            elif lengths[j] > above:
                lengths[j + 1] = lengths[j]
            diagonal = above
    return lengths[right.size]


@kernel
def find_containers(
    labels: I64, bounds: I64, postings: I64, posting_bounds: I64, share: float, limit: int, containers: I64, shares: F64
) -> int:
    """Find for each document one that contains it.

    A document is contained in a longer one (in blocks; among equals, an earlier one) where at least ``share`` of its
    blocks, and two at least, stand there in the same order. Because that many must be found, one of its rarest
    blocks must be: only the postings of those are looked at (prefix filter; Chaudhuri, Ganti & Kaushik 2006).

    Args:
        labels: int64, label of each block, 0-based and dense; documents one behind the other.
        bounds: int64[n + 1], where each document begins in ``labels``.
        postings: int64, for each label the documents it stands in, ascending, each once.
        posting_bounds: int64[l + 1], where each label begins in ``postings``.
        share: share of blocks that must be found, 0-1.
        limit: documents a document is compared with.
        containers: int64[n], all FREE; filled.
        shares: float64[n], all 0; filled with the share found.

    Returns:
        How many comparisons the limit left out.
    """
    n = bounds.size - 1
    skipped = 0
    tried = np.full(n, FREE, np.int64)
    where = np.full(posting_bounds.size - 1, FREE, np.int64)
    longest = 0
    for doc in range(n):
        longest = max(longest, bounds[doc + 1] - bounds[doc])
    lengths = np.empty(longest + 1, np.int64)
    frequency = np.empty(longest, np.int64)
    for doc in range(n):
        own = labels[bounds[doc] : bounds[doc + 1]]
        needed = max(2, int(np.ceil(share * own.size - 1e-9)))
        if own.size < needed:
            continue
        for k in range(own.size):
            frequency[k] = posting_bounds[own[k] + 1] - posting_bounds[own[k]]
        rarest = np.argsort(frequency[: own.size])
        compared = 0
        for r in range(own.size - needed + 1):
            label = own[rarest[r]]
            for p in range(posting_bounds[label], posting_bounds[label + 1]):
                other = postings[p]
                size = bounds[other + 1] - bounds[other]
                if other == doc or tried[other] == doc or size < own.size or (size == own.size and other > doc):
                    continue
                tried[other] = doc
                if compared == limit:
                    skipped += 1
                    continue
                compared += 1
                theirs = labels[bounds[other] : bounds[other + 1]]
                for label_there in theirs:
                    where[label_there] = other
                found = common_in_order(own, theirs, where, lengths)
                for label_there in theirs:
                    where[label_there] = FREE
                if found >= needed and found > shares[doc] * own.size:
                    shares[doc] = found / own.size
                    containers[doc] = other
    return skipped
