"""Rows of token hashes in; the exact Jaccard similarity of one to others out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import I32, I64, U64, Index
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.minhash import shingles
from dedup.kernels.tables import FREE

# Sets of shingles are open-addressing tables with 0 in free slots; the one shingle whose hash is 0 counts as 1.
FREE_SLOT, LEAST_ITEM = np.uint64(0), np.uint64(1)
GROUP = 16  # rows whose candidates are fetched together
LINE = 8  # tokens in a cache line


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
        candidate_limit: keepers that a row is compared with, of those before its window and of those in it.
    """

    n_min: int
    n_max: int
    threshold: float
    family_matches: bool
    family_joins: bool
    bucket_limit: int
    candidate_limit: int


class Scratch(NamedTuple):
    """Room for the shingles of a row, for two shingle sets and for candidates, also of a group; made by ``scratch``.

    ``turn`` counts the sets that were asked, so that ``seen`` need not be cleared; ``sink`` is never read.
    """

    text: U64
    items: U64
    table: U64
    seen: I64
    other: U64
    votes: I32
    candidates: I64
    above: I64
    turn: I64
    group: I64
    ends: I64
    sink: I64


def scratch(votes: I32, longest: int, most_buckets: int, rules: Rules) -> Scratch:
    """Make room to compare rows of at most ``longest`` tokens and in at most ``most_buckets`` buckets each.

    ``votes`` is int32[n], a zero for each row.
    """
    n = votes.size
    most = max(1, longest) * (rules.n_max - rules.n_min + 1)
    capacity = 1 << max(4, (4 * most - 1).bit_length())  # as ``mask_for`` counts
    return Scratch(
        text=np.empty(max(1, longest), np.uint64),
        items=np.empty(most, np.uint64),
        table=np.empty(capacity, np.uint64),
        seen=np.zeros(capacity, np.int64),
        other=np.empty(capacity, np.uint64),
        votes=votes,
        candidates=np.empty(max(1, min(n, most_buckets * rules.bucket_limit)), np.int64),
        above=np.empty(most_buckets + 2, np.int64),
        turn=np.zeros(1, np.int64),
        group=np.empty(GROUP * max(1, min(n, rules.candidate_limit)), np.int64),
        ends=np.empty(GROUP, np.int64),
        sink=np.zeros(1, np.int64),
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
    """Return the mask of a table in which ``count`` items take a quarter at most."""
    size = 16
    while size < 4 * count:
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
        tokens = rows.tokens[rows.bounds[piece] : rows.bounds[piece + 1]]
        target = room.text[length : length + tokens.size]
        for k in range(tokens.size):
            target[k] = tokens[k]
        length += tokens.size
    return shingles(room.text, 0, length, n_min, n_max, room.items)


@helper
def fill_set(room: Scratch, count: int, table: U64, mask: np.uint64) -> int:
    """Make ``table`` the set of ``room.items[:count]``, 0 in free slots; return its size."""
    table[: np.int64(mask) + 1] = FREE_SLOT
    size = 0
    for k in range(count):
        item = max(room.items[k], LEAST_ITEM)
        slot = (item >> np.uint64(32)) & mask
        while table[slot] != FREE_SLOT and table[slot] != item:
            slot = (slot + np.uint64(1)) & mask
        size += table[slot] == FREE_SLOT
        table[slot] = item
    return size


@helper
def count_shared(room: Scratch, count: int, mask: np.uint64, turn: int) -> int:
    """Count how many items of the set ``room.table`` stand among ``room.items[:count]``."""
    shared = 0
    for k in range(count):
        item = max(room.items[k], LEAST_ITEM)
        slot = (item >> np.uint64(32)) & mask
        while room.table[slot] != FREE_SLOT and room.table[slot] != item:
            slot = (slot + np.uint64(1)) & mask
        if room.table[slot] == item:
            shared += room.seen[slot] != turn
            room.seen[slot] = turn
    return shared


@helper
def fetch(rows: Rows, which: I64, sizes: I32, room: Scratch) -> None:
    """Read a little of all that comparing with these rows will read, so that the cache misses of all overlap.

    One behind the other they took two thirds of a comparison's time.
    """
    seen = np.uint64(0)
    for y in which:
        piece = rows.pieces[rows.starts[y]]
        seen += np.uint64(rows.bounds[max(0, piece)] + rows.ends[y] + sizes[y])
    for y in which:
        piece = max(0, rows.pieces[rows.starts[y]])
        for k in range(rows.bounds[piece], min(rows.bounds[piece + 1], rows.bounds[piece] + 8 * LINE), LINE):
            seen += rows.tokens[k]
    room.sink[0] = np.int64(seen)  # what nothing comes of would not be compiled


@helper
def compare(
    rows: Rows,
    x: int,
    candidates: I64,
    rules: Rules,
    threshold: float,
    room: Scratch,
    sizes: I32,
    ranks: Index,
    best: int,
    similarity: float,
) -> tuple[int, float]:
    """Compare ``x`` with candidates; return the most similar one and its Jaccard similarity.

    ``best`` and ``similarity`` are the most similar one so far, or ``x`` and 0; what lies under the threshold is left
    out.
    """
    turn = room.turn
    length = row_shingles(rows, x, rules.n_min, rules.n_max, room)
    mask = mask_for(length)
    size = fill_set(room, length, room.table, mask)
    for y in candidates:
        turn[0] += 1
        length = row_shingles(rows, y, rules.n_min, rules.n_max, room)
        shared = count_shared(room, length, mask, turn[0])
        # J is at most shared / size; most chance candidates end here (a quotient, since 55 < 0.55 * 100 in binary)
        if shared / size < threshold:
            continue
        if sizes[y] == 0:
            sizes[y] = fill_set(room, length, room.other, mask_for(length))
        jaccard = shared / (size + sizes[y] - shared)
        if jaccard < threshold:
            continue
        if jaccard > similarity or (jaccard == similarity and best != x and ranks[y] < ranks[best]):
            best, similarity = y, jaccard
    return best, similarity
