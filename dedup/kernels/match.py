"""Buckets in; for each row the keeper it is a near-duplicate of out, their exact Jaccard similarity verified.

Rows are taken in the order in which they may survive. A row is compared with the keepers that share a bucket with
it; it joins the most similar one at or over the threshold, or becomes a keeper itself. That is the greedy
(lexicographically first) maximal independent set of the similarity graph: members are never compared with members,
so a cluster of m copies costs m comparisons, and nothing joins through a chain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U64, Index
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.minhash import shingles

FREE = -1
COMPARED, SKIPPED = 0, 1  # places in ``counters``
START, KEEPERS = 0, 1  # of a bucket: where its keepers stand in ``listed``, how many it has


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
    """Room for the shingles of a row and for two shingle sets; made by ``scratch``."""

    text: U64
    items: U64
    table: U64
    stamps: I64
    seen: I64
    other: U64
    other_stamps: I64


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
        np.empty(capacity, np.uint64),
        np.zeros(capacity, np.int64),
    )


@kernel
def most_tokens(rows: Rows, which: I64) -> int:
    """Return how many tokens the longest of some rows has."""
    most = 0
    for row in which:
        length = 0
        for p in range(rows.starts[row], rows.ends[row]):
            if rows.pieces[p] != FREE:
                length += rows.bounds[rows.pieces[p] + 1] - rows.bounds[rows.pieces[p]]
        most = max(most, length)
    return most


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
def fill_set(room: Scratch, count: int, table: U64, stamps: I64, mask: np.uint64, epoch: int) -> int:
    """Make ``table`` the set of ``room.items[:count]``; return its size. Slots of other epochs count as free."""
    size = 0
    for k in range(count):
        item = room.items[k]
        slot = (item >> np.uint64(32)) & mask
        while stamps[slot] == epoch and table[slot] != item:
            slot = (slot + np.uint64(1)) & mask
        if stamps[slot] != epoch:
            stamps[slot] = epoch
            table[slot] = item
            size += 1
    return size


@helper
def count_shared(room: Scratch, count: int, mask: np.uint64, epoch: int, turn: int) -> int:
    """Count how many items of the set stand among ``room.items[:count]``."""
    shared = 0
    for k in range(count):
        item = room.items[k]
        slot = (item >> np.uint64(32)) & mask
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


@inline
def ones(x: np.uint64) -> int:
    """Count the bits that are set (population count, Hacker's Delight 5-1)."""
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inline
def differing_bits(bits: U64, x: int, y: int) -> int:
    """Count the one-bit MinHash values in which two rows differ."""
    return ones(bits[2 * x] ^ bits[2 * y]) + ones(bits[2 * x + 1] ^ bits[2 * y + 1])


@helper
def most_differing_bits(threshold: float) -> int:
    """Return how many of 128 bits may differ in a pair at the threshold, but for one such pair in 30,000.

    A bit of a pair of similarity J agrees with probability (1 + J) / 2 (Li & König, "b-bit minwise hashing", 2010);
    four standard deviations are allowed for.
    """
    differ = (1 - threshold) / 2
    return int(128 * differ + 4 * np.sqrt(128 * differ * (1 - differ)))


@kernel
def resolve(
    rows: Rows,
    bits: U64,
    order: I64,
    buckets: Index,
    bucket_bounds: I64,
    lists: Index,
    listed: Index,
    families: Index,
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
        bits: uint64[2 * n], 128 one-bit MinHash values of each row.
        order: int64[o], rows to decide on, in survivor order; all others keep themselves.
        buckets: int32 or int64[e], the buckets of each row.
        bucket_bounds: int64[n + 1], where each row begins in ``buckets``.
        lists: like ``buckets``, [number of buckets, 2]: where each has room in ``listed`` for all its rows; and 0.
        listed: like ``buckets``, [e], scratch.
        families: like ``buckets``, [n], rows of one family differ in numbers only; FREE for none.
        family_count: number of families.
        rules: when rows match.
        room: see ``scratch``; for the longest row in ``order``.
        keepers: int64[n], each row itself; filled.
        similarity: float64[n], filled with the Jaccard similarity to the keeper, or else to the variant.
        variants: int64[n], all FREE; filled with the family's first keeper where a row keeps itself beside it.
        counters: int64[2], raised by comparisons made and by comparisons that the limits left out.
    """
    n = bucket_bounds.size - 1
    apart = most_differing_bits(rules.threshold)
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
        separate = families[x] != FREE and not rules.family_matches
        for e in range(bucket_bounds[x], bucket_bounds[x + 1]):
            bucket = buckets[e]
            start, length = lists[bucket, START], lists[bucket, KEEPERS]
            if length > rules.bucket_limit:
                counters[SKIPPED] += length - rules.bucket_limit
                length = rules.bucket_limit
            for k in range(start, start + length):
                y = listed[k]
                if separate and families[x] == families[y]:
                    continue
                if votes[y] == 0 and differing_bits(bits, x, y) > apart:
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
            size = fill_set(room, length, room.table, room.stamps, mask, epoch)
            sizes[x] = size
            for c in range(compared + 1):
                y = candidates[c] if c < compared else relative
                if y == FREE:
                    continue
                turn += 1
                counters[COMPARED] += 1
                length = row_shingles(rows, y, rules.n_min, rules.n_max, room)
                shared = count_shared(room, length, mask, epoch, turn)
                # J is at most shared / size; most chance candidates end here
                if c < compared and shared < rules.threshold * size:
                    continue
                if sizes[y] == 0:
                    sizes[y] = fill_set(room, length, room.other, room.other_stamps, mask_for(length), turn)
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
        if relative == FREE and families[x] != FREE:
            first_of_family[families[x]] = x
        for e in range(bucket_bounds[x], bucket_bounds[x + 1]):
            bucket = buckets[e]
            if lists[bucket, KEEPERS] < rules.bucket_limit:
                listed[lists[bucket, START] + lists[bucket, KEEPERS]] = x
            lists[bucket, KEEPERS] += 1
