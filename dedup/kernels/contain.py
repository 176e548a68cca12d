"""Documents as sequences of block labels in; for each the document that holds it, in order, out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import F64, I32, I64, Bool
from dedup.kernels.compile import helper, kernel
from dedup.kernels.tables import FREE


@helper
def labels_of(content: I64, keepers: I64, long: Bool, lo: int, hi: int, out: I64) -> int:
    """Write the labels of the blocks ``[lo, hi)`` that count to ``out``; return how many."""
    count = 0
    for row in range(lo, hi):
        c = content[row]
        if c != FREE and long[c]:
            out[count] = keepers[c]
            count += 1
    return count


@helper
def common_in_order(left: I64, n: int, right: I64, m: int, lengths: I64) -> int:
    """Return the length of the longest common subsequence of ``left[:n]`` and ``right[:m]`` (Wagner & Fischer 1974)."""
    for j in range(m + 1):
        lengths[j] = 0
    for i in range(n):
        diagonal = 0
        for j in range(m):
            above = lengths[j + 1]
            if left[i] == right[j]:
                lengths[j + 1] = diagonal + 1
            elif lengths[j] > above:
                lengths[j + 1] = lengths[j]
            diagonal = above
    return lengths[m]


@kernel
def longest_common(left: I64, right: I64) -> int:
    """Return the length of the longest common subsequence of two sequences of labels."""
    return common_in_order(left, left.size, right, right.size, np.empty(right.size + 1, np.int64))


@helper
def common_at_most(left: I64, n: int, right: I64, m: int, marks: I64, mark: int) -> int:
    """Return how many of ``left[:n]`` stand anywhere in ``right[:m]``: an upper bound, found in linear time."""
    for j in range(m):
        marks[right[j]] = mark
    count = 0
    for i in range(n):
        count += marks[left[i]] == mark
    return count


@helper
def may_contain(other: int, doc: int, sizes: I64, rank: I64) -> bool:
    """Whether a document has more blocks than another, or as many and stands before it."""
    if sizes[other] != sizes[doc]:
        return bool(sizes[other] > sizes[doc])
    return bool(other < doc if rank.size == 0 else rank[other] < rank[doc])


@helper
def count_eligible(posting: I64, doc: int, sizes: I64, rank: I64) -> int:
    """Count the documents of a posting, those at its front, that may contain a document."""
    low, high = 0, posting.size
    while low < high:
        middle = (low + high) // 2
        if may_contain(posting[middle], doc, sizes, rank):
            low = middle + 1
        else:
            high = middle
    return low


@helper
def bit_length(value: int) -> int:
    """Return the number of bits of a non-negative integer."""
    bits = 0
    while value:
        value >>= 1
        bits += 1
    return bits


@kernel
def document_frequencies(
    content: I64, keepers: I64, long: Bool, bounds: I64, alive: Bool, last: I64, frequencies: I32, sizes: I64
) -> int:
    """Count in how many documents each label stands, and the labels of each document.

    Args:
        content: int64[n], content of each block, FREE for none.
        keepers: int64[d], label of each content.
        long: bool[d], contents that count.
        bounds: int64[docs + 1], where each document's blocks begin.
        alive: bool[docs], documents to look at.
        last: int64[d], scratch, all FREE.
        frequencies: int32[d], all zero; filled.
        sizes: int64[docs], all zero; filled with the number of blocks that count, 0 for documents not looked at.

    Returns:
        How many (label, document) pairs there are whose label stands in two documents or more.
    """
    for doc in range(bounds.size - 1):
        if not alive[doc]:
            continue
        for row in range(bounds[doc], bounds[doc + 1]):
            c = content[row]
            if c == FREE or not long[c]:
                continue
            sizes[doc] += 1
            if last[keepers[c]] != doc:
                last[keepers[c]] = doc
                frequencies[keepers[c]] += 1
    pairs = 0
    for frequency in frequencies:
        pairs += frequency if frequency > 1 else 0
    return pairs


@kernel
def find_containers(
    content: I64,
    keepers: I64,
    long: Bool,
    bounds: I64,
    sizes: I64,
    order: I64,
    frequencies: I32,
    posting_ends: I64,
    postings: I64,
    marks: I64,
    rank: I64,
    share: float,
    limit: int,
    containers: I64,
    shares: F64,
) -> int:
    """Find for each document one that contains it.

    A document is contained in one of more blocks (or of as many, and earlier) where at least ``share`` of its
    blocks, and two at least, stand there in the same order. As so many must be found, one of its rarest blocks must
    be: only the postings of those are looked at (prefix filter; Chaudhuri, Ganti & Kaushik 2006). They hold the
    documents by size, the largest first, so that those that may contain one stand at the front.

    Args:
        content: int64[n], content of each block, FREE for none.
        keepers: int64[d], label of each content.
        long: bool[d], contents that count.
        bounds: int64[docs + 1], where each document's blocks begin.
        sizes: int64[docs], see ``document_frequencies``. So are ``frequencies``.
        order: int64[o], documents to look at: the largest first, of as many blocks in survivor order.
        frequencies: see ``sizes``.
        posting_ends: int64[d], scratch.
        postings: int64, scratch for as many pairs as ``document_frequencies`` counted.
        marks: int64[d], scratch, all FREE.
        rank: int64[docs], survivor order of documents; empty for the order in which they stand.
        share: share of blocks that must be found, 0-1.
        limit: documents that one is compared with.
        containers: int64[docs], all FREE; filled.
        shares: float64[docs], all 0; filled with the share found.

    Returns:
        How many comparisons the limit left out, at least.
    """
    n = bounds.size - 1
    end, longest = 0, 1
    for label in range(frequencies.size):
        posting_ends[label] = end  # for now where it begins; filling moves it to where it ends
        end += frequencies[label] if frequencies[label] > 1 else 0
    tried = np.full(n, FREE, np.int64)
    for doc in order:
        longest = max(longest, bounds[doc + 1] - bounds[doc])
        for row in range(bounds[doc], bounds[doc + 1]):
            c = content[row]
            if c == FREE or not long[c]:
                continue
            label = keepers[c]
            if frequencies[label] > 1 and marks[label] != doc:
                marks[label] = doc
                postings[posting_ends[label]] = doc
                posting_ends[label] += 1
    mark = n
    mine, theirs = np.empty(longest, np.int64), np.empty(longest, np.int64)
    lengths = np.empty(longest + 1, np.int64)
    ranks = np.empty(65, np.int64)
    skipped = 0
    for doc in order:
        needed = max(2, int(np.ceil(share * sizes[doc] - 1e-9)))
        if sizes[doc] < needed:
            continue
        size = labels_of(content, keepers, long, bounds[doc], bounds[doc + 1], mine)
        shared = 0
        for k in range(65):
            ranks[k] = 0
        for k in range(size):
            frequency = frequencies[mine[k]]
            shared += frequency > 1
            ranks[bit_length(frequency)] += 1
        if shared < needed:
            continue
        # blocks up to this rarity hold the prefix; those that stand nowhere else count among them
        rarity, prefix = 0, 0
        while prefix < size - needed + 1:
            prefix += ranks[rarity]
            rarity += 1
        compared = 0
        for k in range(size):
            label = mine[k]
            frequency = frequencies[label]
            if frequency < 2 or bit_length(frequency) >= rarity:
                continue
            if compared == limit:
                break
            posting = postings[posting_ends[label] - frequency : posting_ends[label]]
            eligible = count_eligible(posting, doc, sizes, rank)
            for p in range(eligible):
                other = posting[p]
                if tried[other] == doc:
                    continue
                if compared == limit:
                    skipped += eligible - p
                    break
                tried[other] = doc
                compared += 1
                m = labels_of(content, keepers, long, bounds[other], bounds[other + 1], theirs)
                mark += 1
                if common_at_most(mine, size, theirs, m, marks, mark) < needed:
                    continue
                found = common_in_order(mine, size, theirs, m, lengths)
                best = containers[doc]
                tied = best != FREE and found / size == shares[doc]
                if tied and (other < best if rank.size == 0 else rank[other] < rank[best]):
                    containers[doc] = other
                elif found >= needed and found / size > shares[doc]:
                    shares[doc] = found / size
                    containers[doc] = other
    return skipped
