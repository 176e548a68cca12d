"""Buckets in; for each row the keeper it is a near-duplicate of out, their exact Jaccard similarity verified.

Rows are taken in the order in which they may survive. A row is compared with the keepers that share a bucket with
it; it joins the most similar one at or over the threshold, or becomes a keeper itself. That is the greedy
(lexicographically first) maximal independent set of the similarity graph: members are never compared with members,
so a cluster of m copies costs m comparisons, and nothing joins through a chain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U64
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.minhash import shingles

FREE = -1
COMPARED, SKIPPED = 0, 1  # places in ``counters``


class Rows(NamedTuple):
    """Rows of token hashes, each the concatenation of pieces that rows may share.

    Attributes:
        tokens: uint64, token hashes.
        bounds: int64[d + 1], where each piece begins in ``tokens``.
        pieces: int64, pieces by number; FREE for empty ones.
        starts: int64[n], where each row begins in ``pieces``.
        ends: int64[n], where it ends.
    """

    tokens: U64
    bounds: I64
    pieces: I64
    starts: I64
    ends: I64


class Rules(NamedTuple):
    """When rows match.

    Attributes:
        n_min: shortest word n-gram of the shingle set.
        n_max: longest one.
        threshold: least Jaccard similarity to a keeper, 0-1.
        family_matches: whether rows that differ in numbers only may match by similarity.
        family_joins: whether they join the first keeper among them whatever their similarity.
        bucket_limit: keepers that a bucket remembers.
        candidate_limit: keepers that a row is compared with.
    """

    n_min: int
    n_max: int
    threshold: float
    family_matches: bool
    family_joins: bool
    bucket_limit: int
    candidate_limit: int


class Scratch(NamedTuple):
    """Room for the shingle set of one row and the shingles of another; sized by ``scratch``."""

    text: U64
    items: U64
    table: U64
    stamps: I64
    seen: I64


def scratch(longest: int, rules: Rules) -> Scratch:
    """Make room for rows of at most ``longest`` tokens."""
    most = max(1, longest) * (rules.n_max - rules.n_min + 1)
    capacity = 1 << max(4, (2 * most - 1).bit_length())
    return Scratch(
        np.empty(max(1, longest), np.uint64),
        np.empty(most, np.uint64),
        np.empty(capacity, np.uint64),
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.int64),
    )


@inline
def mask_for(count: int) -> np.uint64:
    """Return the mask of a table in which ``count`` items take a half at most."""
    size = 16
    while size < 2 * count:
        size *= 2
    return np.uint64(size - 1)


@helper
def row_shingles(rows: Rows, row: int, n_min: int, n_max: int, room: Scratch) -> int:
    """Write a row's shingles, with repeats, to ``room.items``; return how many."""
    length = 0
    for p in range(rows.starts[row], rows.ends[row]):
        piece = rows.pieces[p]
        if piece == FREE:
            continue
        for k in range(rows.bounds[piece], rows.bounds[piece + 1]):
            room.text[length] = rows.tokens[k]
            length += 1
    return shingles(room.text, 0, length, n_min, n_max, room.items)


@helper
def fill_set(room: Scratch, count: int, mask: np.uint64, epoch: int) -> int:
    """Make the table the set of ``room.items[:count]``; return its size. Slots of other epochs count as free."""
    size = 0
    for k in range(count):
        item = room.items[k]
        slot = item & mask
        while room.stamps[slot] == epoch and room.table[slot] != item:
            slot = (slot + np.uint64(1)) & mask
        if room.stamps[slot] != epoch:
            room.stamps[slot] = epoch
            room.table[slot] = item
            size += 1
    return size


@helper
def count_shared(room: Scratch, count: int, mask: np.uint64, epoch: int, turn: int) -> int:
    """Count how many items of the set stand among ``room.items[:count]``."""
    shared = 0
    for k in range(count):
        item = room.items[k]
        slot = item & mask
        while room.stamps[slot] == epoch:
            if room.table[slot] == item:
                shared += room.seen[slot] != turn
                room.seen[slot] = turn
                break
            slot = (slot + np.uint64(1)) & mask
    return shared


@helper
def most_shared(candidates: I64, votes: I32, count: int, limit: int) -> int:
    """Move to the front the ``limit`` candidates with most votes, earlier ones first among equals."""
    highest = 0
    for c in range(count):
        highest = max(highest, votes[candidates[c]])
    above = np.zeros(highest + 2, np.int64)  # above[v]: candidates with more than v votes
    for c in range(count):
        above[votes[candidates[c]] - 1] += 1
    for v in range(highest - 1, -1, -1):
        above[v] += above[v + 1]
    floor = 1
    while above[floor] > limit:
        floor += 1
    room = limit - above[floor]
    kept = 0
    for c in range(count):
        v = votes[candidates[c]]
        if v > floor or (v == floor and room > 0):
            room -= v == floor
            candidates[kept], candidates[c] = candidates[c], candidates[kept]
            kept += 1
    return kept


@kernel
def resolve(
    rows: Rows,
    order: I64,
    buckets: I64,
    bucket_bounds: I64,
    bucket_count: int,
    families: I64,
    family_count: int,
    rules: Rules,
    room: Scratch,
    keepers: I64,
    similarity: F64,
    variants: I64,
    counters: I64,
) -> None:
    """Cluster rows around keepers.

    Args:
        rows: the texts.
        order: int64[o], rows to decide on, in survivor order; all others keep themselves.
        buckets: int64, the buckets of each row.
        bucket_bounds: int64[n + 1], where each row begins in ``buckets``.
        bucket_count: number of buckets.
        families: int64[n], rows of one family differ in numbers only; FREE for none.
        family_count: number of families.
        rules: when rows match.
        room: see ``scratch``; for the longest row in ``order``.
        keepers: int64[n], each row itself; filled.
        similarity: float64[n], filled with the Jaccard similarity to the keeper, or else to the variant.
        variants: int64[n], all FREE; filled with the family's first keeper where a row keeps itself beside it.
        counters: int64[2], raised by comparisons made and by comparisons that the limits left out.
    """
    n = bucket_bounds.size - 1
    heads = np.full(bucket_count, FREE, np.int64)
    tails = np.full(bucket_count, FREE, np.int64)
    filled = np.zeros(bucket_count, np.int64)
    links = np.full(buckets.size, FREE, np.int64)
    owners = np.full(buckets.size, FREE, np.int64)
    votes = np.zeros(n, np.int32)
    sizes = np.zeros(n, np.int32)
    first_of_family = np.full(family_count, FREE, np.int64)
    candidates = np.empty(1024, np.int64)
    turns = np.zeros(n, np.int64)
    epoch, turn = 0, 0
    for o in range(order.size):
        x = order[o]
        turns[x] = o
        # the keepers that share a bucket with x
        count = 0
        for e in range(bucket_bounds[x], bucket_bounds[x + 1]):
            bucket = buckets[e]
            counters[SKIPPED] += max(0, filled[bucket] - rules.bucket_limit)
            link = heads[bucket]
            while link != FREE:
                y = owners[link]
                link = links[link]
                if families[x] != FREE and families[x] == families[y] and not rules.family_matches:
                    continue
                if votes[y] == 0:
                    if count == candidates.size:
                        grown = np.empty(2 * count, np.int64)
                        for c in range(count):
                            grown[c] = candidates[c]
                        candidates = grown
                    candidates[count] = y
                    count += 1
                votes[y] += 1
        compared = count
        if count > rules.candidate_limit:
            compared = most_shared(candidates, votes, count, rules.candidate_limit)
            counters[SKIPPED] += count - compared
        for c in range(count):
            votes[candidates[c]] = 0
        relative = first_of_family[families[x]] if families[x] != FREE else FREE
        keeper, keeper_similarity, relative_similarity = x, 0.0, 0.0
        if compared > 0 or relative != FREE:
            length = row_shingles(rows, x, rules.n_min, rules.n_max, room)
            mask = mask_for(length)
            epoch += 1
            size = fill_set(room, length, mask, epoch)
            sizes[x] = size
            for c in range(compared + 1):
                y = candidates[c] if c < compared else relative
                if y == FREE:
                    continue
                if c < compared and min(size, sizes[y]) < rules.threshold * max(size, sizes[y]):
                    continue
                turn += 1
                counters[COMPARED] += 1
                length = row_shingles(rows, y, rules.n_min, rules.n_max, room)
                shared = count_shared(room, length, mask, epoch, turn)
                jaccard = shared / (size + sizes[y] - shared)
                if c == compared:
                    relative_similarity = jaccard
                elif jaccard >= rules.threshold and (
                    jaccard > keeper_similarity or (jaccard == keeper_similarity and turns[y] < turns[keeper])
                ):
                    keeper, keeper_similarity = y, jaccard
        if keeper == x and relative != FREE:
            similarity[x] = relative_similarity
            if rules.family_joins:
                keeper, keeper_similarity = relative, relative_similarity
            else:
                variants[x] = relative
        if keeper != x:
            keepers[x] = keeper
            similarity[x] = keeper_similarity
            continue
        # x becomes a keeper
        if sizes[x] == 0:
            length = row_shingles(rows, x, rules.n_min, rules.n_max, room)
            epoch += 1
            sizes[x] = fill_set(room, length, mask_for(length), epoch)
        if relative == FREE and families[x] != FREE:
            first_of_family[families[x]] = x
        for e in range(bucket_bounds[x], bucket_bounds[x + 1]):
            bucket = buckets[e]
            filled[bucket] += 1
            if filled[bucket] > rules.bucket_limit:
                continue
            owners[e] = x
            if heads[bucket] == FREE:
                heads[bucket] = e
            else:
                links[tails[bucket]] = e
            tails[bucket] = e
