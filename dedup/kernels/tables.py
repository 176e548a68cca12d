"""Hash tables over columns: fingerprints in, row numbers of distinct ones out; band keys in, buckets out."""

from __future__ import annotations

import numpy as np

from dedup.arrays import I32, I64, U64, Bool, Index, Keys
from dedup.kernels.compile import inline, kernel
from dedup.kernels.mixing import K_LENGTH

FREE = -1
EMPTY = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@kernel
def rehash(fingerprints: U64, count: int, slots: I64) -> None:
    """Enter the first ``count`` fingerprints (uint64[:, 2], distinct) into ``slots``, a power of two and all FREE."""
    mask = np.uint64(slots.size - 1)
    for row in range(count):
        slot = fingerprints[row, 0] & mask
        while slots[slot] != FREE:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = row


@kernel
def intern(found: U64, present: Bool, fingerprints: U64, count: int, slots: I64, rows: I64) -> int:
    """Number fingerprints in order of first standing.

    Args:
        found: uint64[m, 2], the fingerprints to look up.
        present: bool[m], False where there is nothing to look up.
        fingerprints: uint64[c, 2], the distinct ones so far; new ones are appended (c >= count + m).
        count: how many distinct ones there are.
        slots: int64, a power of two of at least 3/2 of ``count + m``; open-addressing table of row numbers.
        rows: int64[m], filled with the number of each fingerprint, FREE where not present.

    Returns:
        The new count.
    """
    mask = np.uint64(slots.size - 1)
    for i in range(found.shape[0]):
        if not present[i]:
            rows[i] = FREE
            continue
        slot = found[i, 0] & mask
        row = slots[slot]
        while row != FREE and (fingerprints[row, 0] != found[i, 0] or fingerprints[row, 1] != found[i, 1]):
            slot = (slot + np.uint64(1)) & mask
            row = slots[slot]
        if row == FREE:
            row = count
            slots[slot] = row
            fingerprints[row, 0] = found[i, 0]
            fingerprints[row, 1] = found[i, 1]
            count += 1
        rows[i] = row
    return count


@inline
def spread(key: np.uint64) -> np.uint64:
    """Spread a key over the high bits, for tables that are filled with runs of like keys."""
    h = key * K_LENGTH
    return h ^ (h >> np.uint64(32))


@kernel
def group(
    keys: Keys, alive: Bool, exact: bool, seen: U64, slots: U64, heads: Index, entries: Index, sizes: Index
) -> tuple[int, int]:
    """Find the rows that share their key with another row.

    Args:
        keys: uint32[n] or uint64[n], e.g. one band's keys.
        alive: bool[n], rows to look at.
        exact: whether keys have 32 bits, and n is no more than 2^32: then a slot holds all of a key.
        seen: uint64, scratch: a power of two of at least n / 16 (2 bits a row).
        slots: uint64, scratch: a power of two of at least 2 * n.
        heads: int32 or int64, [n], scratch.
        entries: the same, [n, 2], filled with the rows found, ascending, and their buckets, numbered from 0 in order
            of first row.
        sizes: the same, [n], filled with the number of rows in each bucket.

    Returns:
        How many rows were found; how many buckets.
    """
    # Most keys stand alone. Where a key hashes to a bit that another has set, it sets the bit 32 places higher, too;
    # rows without one need no slot. The bits stay in the cache, which the slots of all rows do not.
    seen[:] = np.uint64(0)
    last_bit, low, half = np.uint64(32 * seen.size - 1), np.uint64(31), np.uint64(32)
    for i in range(keys.size):
        if alive[i]:
            place = spread(np.uint64(keys[i])) & last_bit
            word, bit = place >> np.uint64(5), np.uint64(1) << (place & low)
            seen[word] |= bit | ((seen[word] & bit) << half)
    count = 0
    for i in range(keys.size):
        place = spread(np.uint64(keys[i])) & last_bit
        heads[count] = i
        count += alive[i] & ((seen[place >> np.uint64(5)] >> ((place & low) + half)) & np.uint64(1) != np.uint64(0))
    size, shift = 2, 32
    while size < 2 * count:
        size *= 2
    while keys.size > 1 << shift:
        shift += 1
    mask, wide = np.uint64(size - 1), np.uint64(shift)
    ordinal = (np.uint64(1) << wide) - np.uint64(1)
    for slot in range(size):
        slots[slot] = EMPTY
    for c in range(count):
        key = np.uint64(keys[heads[c]])
        spread_key = spread(key)
        tag = (key if exact else spread_key >> wide) << wide
        place = spread_key >> np.uint64(8) & mask
        slot = slots[place]
        while slot != EMPTY and (
            (slot & ~ordinal) != tag or not (exact or keys[heads[np.int64(slot & ordinal)]] == keys[heads[c]])
        ):
            place = (place + np.uint64(1)) & mask
            slot = slots[place]
        if slot == EMPTY:
            slots[place] = tag | np.uint64(c)
            sizes[c] = 0
        first = np.int64(slots[place] & ordinal)
        entries[c, 1] = first  # of its key, for now
        sizes[first] += 1
    found = 0
    bucket = 0
    for c in range(count):
        first = np.int64(entries[c, 1])
        if first == c:
            if sizes[c] == 1:
                continue
            slots[c] = np.uint64(bucket)  # the table is done with; its room takes the bucket of each first
            sizes[bucket] = sizes[c]
            bucket += 1
        entries[found, 0] = heads[c]
        entries[found, 1] = np.int64(slots[first])
        found += 1
    return found, bucket


@kernel
def transpose(entries: Index, values: Index, first_buckets: I64, band_ends: I64, bounds: I64, out: Index) -> None:
    """Turn (row, bucket) entries into a row-major list: ``out[bounds[r]:bounds[r + 1]]`` holds row r's buckets.

    Args:
        entries: int32 or int64[e, 2], the entries of all bands, one behind the other.
        values: like ``entries``, [buckets], what to write for each bucket.
        first_buckets: int64[bands], what to add to a band's bucket numbers.
        band_ends: int64[bands], where each band ends in ``entries``.
        bounds: int64[n + 1], all zero; filled.
        out: like ``entries``, [e], filled; a row's buckets keep their order.
    """
    for e in range(entries.shape[0]):
        bounds[entries[e, 0] + 1] += 1
    for row in range(bounds.size - 1):
        bounds[row + 1] += bounds[row]
    e = 0
    for band in range(band_ends.size):
        while e < band_ends[band]:
            row = entries[e, 0]
            out[bounds[row]] = values[entries[e, 1] + first_buckets[band]]
            bounds[row] += 1
            e += 1
    for row in range(bounds.size - 1, 0, -1):
        bounds[row] = bounds[row - 1]
    bounds[0] = 0


@kernel
def gather(values: U64, bounds: I64, rows: I64, out: U64) -> None:
    """Copy ``values[bounds[r]:bounds[r + 1]]`` of some rows, one behind the other, to ``out``."""
    k = 0
    for row in rows:
        for position in range(bounds[row], bounds[row + 1]):
            out[k] = values[position]
            k += 1


@kernel
def best_occurrences(distinct: I64, bounds: I64, alive: Bool, rank: I64, best: I64) -> None:
    """Find, for each distinct content, its occurrence that survives.

    Args:
        distinct: int64[n], content of each occurrence, FREE for none.
        bounds: int64[docs + 1], where each document's occurrences begin.
        alive: bool[docs], documents that survive.
        rank: int64[docs], survivor order of documents, smaller first; empty for the order in which they stand.
        best: int64[d], all FREE; filled with an occurrence; among several of a document the first.
    """
    doc_of = np.full(best.size if rank.size else 0, FREE, np.int64)
    for doc in range(bounds.size - 1):
        if not alive[doc]:
            continue
        for row in range(bounds[doc], bounds[doc + 1]):
            d = distinct[row]
            if d == FREE:
                continue
            if best[d] == FREE:
                best[d] = row
                if rank.size:
                    doc_of[d] = doc
            elif rank.size and rank[doc] < rank[doc_of[d]]:
                best[d] = row
                doc_of[d] = doc


@kernel
def count_members(distinct: I64, bounds: I64, alive: Bool, keepers: I64, counts: I32) -> None:
    """Count the occurrences, in documents that survive, of all contents that each keeper stands for.

    Args:
        distinct: int64[n], content of each occurrence, FREE for none.
        bounds: int64[docs + 1], where each document's occurrences begin.
        alive: bool[docs], documents that survive.
        keepers: int64[d], keeper of each content.
        counts: int32[d], all zero; filled.
    """
    for doc in range(bounds.size - 1):
        if alive[doc]:
            for row in range(bounds[doc], bounds[doc + 1]):
                if distinct[row] != FREE:
                    counts[keepers[distinct[row]]] += 1
