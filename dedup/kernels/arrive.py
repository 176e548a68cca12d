"""Rows that arrive together and the keepers that may match them in; the keeper of each out.

The same decision as that of ``dedup.kernels.match``, for a few rows of which only those that share a bucket with one of
them are at hand. Earlier keepers were looked up; the rows themselves meet in a small table of chains.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U32, U64
from dedup.kernels.compare import Rows, Rules, Scratch, compare
from dedup.kernels.compile import helper, kernel
from dedup.kernels.match import most_shared
from dedup.kernels.postings import chain_key, slot_of, too_far
from dedup.kernels.tables import FREE


class Arrivals(NamedTuple):
    """``m`` rows that arrive, before others that were there.

    Attributes:
        keys: uint32[bands, m], their band keys.
        sizes: int32[bands, m], how many earlier keepers each bucket has.
        bits: uint64[2 * m], 128 one-bit MinHash values.
        families: uint64[n], of these and of the others, equal where rows differ in numbers only; 0 for none.
        relatives: int64[m], first keeper of the family that was there, FREE for none.
        bounds: int64[m + 1], where each row's candidates begin in ``candidates``.
        candidates: int64, keepers that were there.
        ranks: int64[n], survivor order.
    """

    keys: U32
    sizes: I32
    bits: U64
    families: U64
    relatives: I64
    bounds: I64
    candidates: I64
    ranks: I64


class Chains(NamedTuple):
    """Buckets of the rows that arrive: int32[a power of two], heads, FREE for none; for each entry key, row and next.

    ``used``, int64[1], is how many entries there are.
    """

    heads: I32
    keys: U64
    rows: I32
    following: I32
    used: I64


@helper
def chain(chains: Chains, key: np.uint64, row: int) -> None:
    """Enter a row under a key."""
    entry, slot = chains.used[0], slot_of(key, np.uint64(chains.heads.size - 1))
    chains.keys[entry], chains.rows[entry] = key, row
    chains.following[entry] = chains.heads[slot]
    chains.heads[slot] = entry
    chains.used[0] += 1


@helper
def family_key(family: np.uint64) -> np.uint64:
    """Return the key of a family; whether it is that family is looked up."""
    return family | (np.uint64(1) << np.uint64(63))


@helper
def gather_arrived(x: int, arrivals: Arrivals, chains: Chains, apart: int, rules: Rules, room: Scratch) -> int:
    """List the keepers among the arrivals that share a bucket with ``x`` in ``room.candidates``; return how many."""
    separate = arrivals.families[x] != np.uint64(0) and not rules.family_matches
    mask, count = np.uint64(chains.heads.size - 1), 0
    for band in range(arrivals.keys.shape[0]):
        key = chain_key(band, arrivals.keys[band, x])
        entry = chains.heads[slot_of(key, mask)]
        while entry != FREE:
            y = int(np.int64(chains.rows[entry]))
            same = chains.keys[entry] == key and not (separate and arrivals.families[x] == arrivals.families[y])
            if same and (room.votes[y] > 0 or not too_far(arrivals.bits, x, arrivals.bits, y, apart)):
                if room.votes[y] == 0:
                    room.candidates[count] = y
                    count += 1
                room.votes[y] += 1
            entry = chains.following[entry]
    compared = count
    if count > rules.candidate_limit:
        compared = most_shared(room.candidates, room.votes, count, rules.candidate_limit, room.above)
    for c in range(count):
        room.votes[room.candidates[c]] = 0
    return compared


@helper
def relative_of(x: int, arrivals: Arrivals, chains: Chains) -> int:
    """Return the first keeper of a row's family, FREE for none."""
    if arrivals.relatives[x] != FREE:
        return int(arrivals.relatives[x])
    entry = chains.heads[slot_of(family_key(arrivals.families[x]), np.uint64(chains.heads.size - 1))]
    while entry != FREE:
        y = int(np.int64(chains.rows[entry]))
        if chains.keys[entry] == family_key(arrivals.families[x]) and arrivals.families[y] == arrivals.families[x]:
            return y
        entry = chains.following[entry]
    return FREE


@helper
def enlist_arrived(x: int, arrivals: Arrivals, chains: Chains, limit: int) -> None:
    """Enter a keeper in those of its buckets that have room."""
    mask = np.uint64(chains.heads.size - 1)
    for band in range(arrivals.keys.shape[0]):
        key = chain_key(band, arrivals.keys[band, x])
        size = np.int64(arrivals.sizes[band, x])
        entry = chains.heads[slot_of(key, mask)]
        while entry != FREE and size < limit:
            size += chains.keys[entry] == key
            entry = chains.following[entry]
        if size < limit:
            chain(chains, key, x)


@kernel
def settle_arrivals(
    rows: Rows,
    arrivals: Arrivals,
    apart: int,
    rules: Rules,
    room: Scratch,
    sizes: I32,
    keepers: I64,
    similarity: F64,
    variants: I64,
) -> None:
    """Decide on rows that arrive, in their order.

    Args:
        rows: the texts of ``n`` rows: ``m`` that arrive, then those that were there.
        arrivals: what is known of them.
        apart: how many one-bit MinHash values may differ in a pair that is compared.
        rules: when rows match.
        room: to compare in.
        sizes: int32[n], sizes of shingle sets, 0 for those not known; filled.
        keepers: int64[m], filled: the row each stands for.
        similarity: float64[m], filled: Jaccard similarity to the keeper, or else to the variant.
        variants: int64[m], filled: first keeper of its family where a row keeps itself beside it, else FREE.
    """
    m = keepers.size
    size = 64
    while size < m * (arrivals.keys.shape[0] + 1):
        size *= 2
    chains = Chains(
        np.full(size, FREE, np.int32), np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.int32),
        np.zeros(1, np.int64),
    )  # fmt: skip
    for x in range(m):
        keepers[x], similarity[x], variants[x] = x, 0.0, FREE
        known = arrivals.candidates[arrivals.bounds[x] : arrivals.bounds[x + 1]]
        if known.size > 0:
            keepers[x], similarity[x] = compare(
                rows, x, known, rules, rules.threshold, room, sizes, arrivals.ranks, x, 0.0
            )
        if m > 1:
            count = gather_arrived(x, arrivals, chains, apart, rules, room)
            if count > 0:
                keepers[x], similarity[x] = compare(
                    rows, x, room.candidates[:count], rules, rules.threshold, room, sizes, arrivals.ranks, keepers[x],
                    similarity[x],
                )  # fmt: skip
        if keepers[x] != x:
            continue
        if arrivals.families[x] != np.uint64(0):
            relative = relative_of(x, arrivals, chains)
            if relative != FREE:
                room.candidates[0] = relative
                _, similarity[x] = compare(
                    rows, x, room.candidates[:1], rules, 0.0, room, sizes, arrivals.ranks, x, 0.0
                )
                if rules.family_joins:
                    keepers[x] = relative
                else:
                    variants[x] = relative
            else:
                chain(chains, family_key(arrivals.families[x]), x)
        if keepers[x] == x:
            enlist_arrived(x, arrivals, chains, rules.bucket_limit)


@kernel
def sift(hits: I64, bands: int, limit: int, bounds: I64, found: I64, ordinals: I64) -> None:
    """List for each row that arrives the rows that share bands with it, in the order in which they were entered.

    Args:
        hits: int64[h, 4], see ``dedup.kernels.postings.search``, those of one row in any order.
        bands: lines of keys that are bands.
        limit: rows that one is compared with: those that share most bands, earlier ones first among equals.
        bounds: int64[m + 1], filled: where each row's begin.
        found: int64[h], filled: the rows; ``ordinals``, int64[h], likewise, how many were entered before each.
        ordinals: see ``found``.
    """
    m = bounds.size - 1
    bounds[:] = 0
    for h in range(hits.shape[0]):
        bounds[hits[h, 0] + 1] += hits[h, 1] < bands
    for x in range(m):
        bounds[x + 1] += bounds[x]
    places = bounds[:m].copy()
    for h in range(hits.shape[0]):
        if hits[h, 1] < bands:
            x = hits[h, 0]
            ordinals[places[x]], found[places[x]] = hits[h, 3], hits[h, 2]
            places[x] += 1
    end = 0
    for x in range(m):
        first, last = bounds[x], bounds[x + 1]
        order = np.argsort(ordinals[first:last])
        sorted_ordinals, sorted_found = ordinals[first:last][order], found[first:last][order]
        votes = np.empty(last - first, np.int64)
        count = 0
        for k in range(order.size):
            if count > 0 and sorted_ordinals[k] == sorted_ordinals[count - 1]:
                votes[count - 1] += 1
            else:
                sorted_ordinals[count], sorted_found[count], votes[count] = sorted_ordinals[k], sorted_found[k], 1
                count += 1
        floor, over = 0, count
        while over > limit:  # more have so many votes
            floor += 1
            over = 0
            for k in range(count):
                over += votes[k] > floor
        room = limit - over
        bounds[x] = end
        for k in range(count):
            if votes[k] > floor or (votes[k] == floor and room > 0):
                room -= votes[k] == floor
                ordinals[end], found[end] = sorted_ordinals[k], sorted_found[k]
                end += 1
    bounds[m] = end
