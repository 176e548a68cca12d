"""Buckets in; for each row the keeper it is a near-duplicate of out, their exact Jaccard similarity verified.

Rows are taken in the order in which they may survive. A row is compared with the keepers that share a bucket with
it; it joins the most similar one at or over the threshold, or becomes a keeper itself. That is the greedy
(lexicographically first) maximal independent set of the similarity graph: members are never compared with members,
so a cluster of m copies costs m comparisons, and nothing joins through a chain.

To use several threads, rows are taken a window at a time: ``match_known`` compares those of a window with all earlier
keepers, in parallel; ``settle`` then decides on them one by one, comparing only with keepers of the same window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U64, Bool, Index
from dedup.kernels.compare import GROUP, Rows, Rules, Scratch, compare, fetch
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.mixing import ones
from dedup.kernels.tables import FREE

COMPARED, SKIPPED = 0, 1  # places in ``counters``
# A bucket is a run of integers: how many keepers were found in it, how many of them before the window in which the
# last came, that window's number, and the first of them.
KEEPERS, SEEN, WINDOW, LISTED = 0, 1, 2, 3


class Buckets(NamedTuple):
    """LSH buckets of two or more rows, and the keepers found in them so far.

    Attributes:
        of_rows: int32 or int64[e], where in ``room`` the buckets of each row begin.
        bounds: int64[n + 1], where each row begins in ``of_rows``.
        room: like ``of_rows``, the buckets, one behind the other, all zero to begin with.
        recent: bool, a power of two: True at ``begin & (size - 1)`` of buckets that a keeper of this window is in; at
            others too, where they collide.
    """

    of_rows: Index
    bounds: I64
    room: Index
    recent: Bool


class Found(NamedTuple):
    """What is known of each row.

    Attributes:
        keepers: int64[n], its keeper; itself to begin with.
        similarity: float64[n], Jaccard similarity to the keeper, or else to the variant; 0 to begin with.
        variants: int64[n], first keeper of its family where it keeps itself beside it; FREE to begin with.
        ranks: int32 or int64[n], its place in the survivor order.
    """

    keepers: I64
    similarity: F64
    variants: I64
    ranks: Index


@helper
def most_shared(candidates: I64, votes: I32, count: int, limit: int, above: I64) -> int:
    """Move to the front the ``limit`` candidates with most votes, earlier ones first among equals.

    ``above`` is scratch: how many candidates have more than v votes.
    """
    highest = 0
    for c in range(count):
        highest = max(highest, votes[candidates[c]])
    for v in range(highest + 1):
        above[v] = 0
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
def differing_bits(bits: U64, x: int, y: int) -> int:
    """Count the one-bit MinHash values in which two rows differ."""
    return int(np.int64(ones(bits[2 * x] ^ bits[2 * y]) + ones(bits[2 * x + 1] ^ bits[2 * y + 1])))


@helper
def most_differing_bits(threshold: float) -> int:
    """Return how many of 128 bits may differ in a pair at the threshold, but for one such pair in 740.

    A bit of a pair of similarity J agrees with probability (1 + J) / 2 (Li & König, "b-bit minwise hashing", 2010);
    three standard deviations are allowed for: against four, that loses one pair in 10,000 over the threshold, and saves
    a fifth of all comparisons.
    """
    differ = (1 - threshold) / 2
    return int(128 * differ + 3 * np.sqrt(128 * differ * (1 - differ)))


@helper
def gather_candidates(
    x: int, window: int, buckets: Buckets, bits: U64, families: Index, rules: Rules, room: Scratch, counters: I64
) -> int:
    """List the keepers that share a bucket with ``x`` in ``room.candidates``; return how many.

    With a ``window``, those that this window has found; with 0, all that are known.
    """
    separate = families[x] != FREE and not rules.family_matches
    apart = most_differing_bits(rules.threshold)
    votes, candidates, listed = room.votes, room.candidates, buckets.room
    last_flag = buckets.recent.size - 1
    count = 0
    for e in range(buckets.bounds[x], buckets.bounds[x + 1]):
        bucket = buckets.of_rows[e]
        lo = 0
        if window:
            if not buckets.recent[bucket & last_flag] or listed[bucket + WINDOW] != window:
                continue
            lo = listed[bucket + SEEN]
        length = listed[bucket + KEEPERS]
        if length > rules.bucket_limit:
            counters[SKIPPED] += length - max(lo, rules.bucket_limit)
        for k in range(bucket + LISTED + lo, bucket + LISTED + min(length, rules.bucket_limit)):
            y = listed[k]
            if separate and families[x] == families[y]:
                continue
            if votes[y] == 0:
                if differing_bits(bits, x, y) > apart:
                    continue
                candidates[count] = y
                count += 1
            votes[y] += 1
    compared = count
    if count > rules.candidate_limit:
        compared = most_shared(candidates, votes, count, rules.candidate_limit, room.above)
        counters[SKIPPED] += count - compared
    for c in range(count):
        votes[candidates[c]] = 0
    return compared


@helper
def enlist(x: int, window: int, buckets: Buckets, rules: Rules) -> None:
    """List ``x`` in its buckets."""
    listed = buckets.room
    last_flag = buckets.recent.size - 1
    for e in range(buckets.bounds[x], buckets.bounds[x + 1]):
        bucket = buckets.of_rows[e]
        length = listed[bucket + KEEPERS]
        if listed[bucket + WINDOW] != window:
            listed[bucket + WINDOW] = window
            listed[bucket + SEEN] = length
            buckets.recent[bucket & last_flag] = True
        if length < rules.bucket_limit:
            listed[bucket + LISTED + length] = x
        listed[bucket + KEEPERS] = length + 1


@kernel
def match_known(
    rows: Rows,
    bits: U64,
    order: I64,
    first: int,
    buckets: Buckets,
    families: Index,
    rules: Rules,
    room: Scratch,
    sizes: I32,
    found: Found,
    counters: I64,
) -> None:
    """Compare rows with the keepers known before the window they are in; any number of these calls may run at once.

    Args:
        rows: the texts.
        bits: uint64[2 * n], 128 one-bit MinHash values of each row.
        order: int64[w], some rows of the window.
        first: place of the first of them in the survivor order.
        buckets: read only.
        families: int32 or int64[n], rows of one family differ in numbers only; FREE for none.
        rules: when rows match.
        room: of this call alone.
        sizes: int32[n], sizes of shingle sets, 0 for those not known yet; filled (by several calls alike).
        found: for these rows filled.
        counters: int64[2], of this call alone; raised by comparisons made and left out.
    """
    known = int(np.int64(0))  # a plain 0 is a type of its own, and helpers called with it are compiled twice
    for begin in range(0, order.size, GROUP):
        group = order[begin : begin + GROUP]
        end = 0
        for o in range(group.size):
            found.ranks[group[o]] = first + begin + o
            count = gather_candidates(group[o], known, buckets, bits, families, rules, room, counters)
            for c in range(count):
                room.group[end] = room.candidates[c]
                end += 1
            room.ends[o] = end
        counters[COMPARED] += end
        fetch(rows, room.group[:end], sizes, room)
        end = 0
        for o in range(group.size):
            x, candidates = group[o], room.group[end : room.ends[o]]
            end = room.ends[o]
            if candidates.size > 0:
                found.keepers[x], found.similarity[x] = compare(
                    rows, x, candidates, rules, rules.threshold, room, sizes, found.ranks, x, 0.0
                )


@kernel
def settle(
    rows: Rows,
    bits: U64,
    order: I64,
    window: int,
    buckets: Buckets,
    families: Index,
    first_of_family: Index,
    rules: Rules,
    room: Scratch,
    sizes: I32,
    found: Found,
    counters: I64,
) -> None:
    """Decide on the rows of a window, in survivor order, after ``match_known`` has seen all of them.

    Args:
        rows: the texts.
        bits: see ``match_known``. So are ``families``, ``rules``, ``room``, ``sizes`` and ``counters``.
        order: int64[w], the window.
        window: its number, from 1.
        buckets: the new keepers are listed in it.
        families: see there.
        first_of_family: like ``families``, [number of families], the first keeper of each, FREE for none yet.
        rules: see there.
        room: see there.
        sizes: see there.
        found: completed.
        counters: see there.
    """
    for o in range(order.size):
        x = order[o]
        count = gather_candidates(x, window, buckets, bits, families, rules, room, counters)
        if count > 0:
            counters[COMPARED] += count
            candidates = room.candidates[:count]
            found.keepers[x], found.similarity[x] = compare(
                rows, x, candidates, rules, rules.threshold, room, sizes, found.ranks, found.keepers[x],
                found.similarity[x],
            )  # fmt: skip
        if found.keepers[x] == x and families[x] != FREE:
            relative = first_of_family[families[x]]
            if relative == FREE:
                first_of_family[families[x]] = x
            elif rules.family_joins:
                found.keepers[x] = relative
            else:
                found.variants[x] = relative
        if found.keepers[x] == x:
            enlist(x, window, buckets, rules)
    buckets.recent[:] = False


@kernel
def compare_families(
    rows: Rows, order: I64, rules: Rules, room: Scratch, sizes: I32, found: Found, counters: I64
) -> None:
    """Compare rows, int64[o], with their variant, or the keeper they joined for their family's sake.

    May run beside ``settle`` for a later window; the other arguments are as for ``match_known``.
    """
    for begin in range(0, order.size, GROUP):
        group = order[begin : begin + GROUP]
        end = 0
        for o in range(group.size):
            x = group[o]
            relative = found.variants[x]
            if relative == FREE and found.keepers[x] != x and found.similarity[x] == 0:
                relative = found.keepers[x]
            room.group[end] = relative
            end += relative != FREE
            room.ends[o] = end
        counters[COMPARED] += end
        fetch(rows, room.group[:end], sizes, room)
        end = 0
        for o in range(group.size):
            x, relatives = group[o], room.group[end : room.ends[o]]
            end = room.ends[o]
            if relatives.size > 0:
                _, found.similarity[x] = compare(rows, x, relatives, rules, 0.0, room, sizes, found.ranks, x, 0.0)


@kernel
def relist(order: I64, buckets: Buckets, rules: Rules) -> None:
    """Empty the buckets and list these rows in them, int64[o], as keepers known to ``match_known``."""
    buckets.room[:] = 0
    window = int(np.int64(1))  # see ``match_known``
    for x in order:
        enlist(x, window, buckets, rules)
