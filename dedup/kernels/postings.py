"""Keys of new rows in; the rows with the same keys, from mapped segments and from recent entries, out.

A posting list is a run of equal 32-bit keys in a sorted segment. Keys are spread evenly, so where one stands is guessed
from its value (interpolation search; Peterson 1957), and found a few places from there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dedup.arrays import I32, I64, U32, U64, Bool
from dedup.kernels.compile import helper, inline, kernel
from dedup.kernels.mixing import K_LENGTH, ones

FREE = -1
ROW_OF, WANTED, FOUND, ORDINAL = 0, 1, 2, 3  # columns of hits


class Segment(NamedTuple):
    """Sorted entries that do not change any more.

    Attributes:
        rows: int64[k], the rows entered, in the order of entering.
        bits: uint64[2 * k], 128 one-bit MinHash values of each.
        bounds: int64[s + 1], where each section begins in ``keys``.
        keys: uint32[e], ascending within each section.
        places: uint32[e], places in ``rows``, ascending among equal keys.
    """

    rows: I64
    bits: U64
    bounds: I64
    keys: U32
    places: U32


class Recent(NamedTuple):
    """Entries in a table of chains, the newest first.

    Attributes:
        heads: int32, a power of two: the newest entry of each slot, FREE for none.
        keys: uint64[e], section and key of each entry.
        places: int32[e], its place in ``rows``.
        following: int32[e], the entry before it in the same slot.
        rows: int64[k], the rows entered, in the order of entering.
        bits: uint64[2 * k], 128 one-bit MinHash values of each.
    """

    heads: I32
    keys: U64
    places: I32
    following: I32
    rows: I64
    bits: U64


class Wanted(NamedTuple):
    """Keys of ``m`` rows to look up.

    Attributes:
        sections: int64[w], where each line of ``keys`` is to be looked for.
        keys: uint32[w, m].
        present: bool[w, m], keys that there are.
        sifted: how many of the lines are bands, whose rows must also agree in enough bits.
        bits: uint64[2 * m], 128 one-bit MinHash values.
        apart: how many of them may differ.
    """

    sections: I64
    keys: U32
    present: Bool
    sifted: int
    bits: U64
    apart: int

    def take(self, which: I64) -> Wanted:
        """Return the keys of some of the rows."""
        bits = self.bits.reshape(-1, 2)[which].reshape(-1)
        return self._replace(keys=self.keys[:, which], present=self.present[:, which], bits=bits)


@helper
def first_at_least(keys: U32, lo: int, hi: int, key: np.uint32) -> int:
    """Return the first place in ``[lo, hi)``, ascending, that is not below a key; ``hi`` if there is none."""
    n = hi - lo
    guess = lo + int(np.int64((np.uint64(key) * np.uint64(n)) >> np.uint64(32)))
    step = 8
    if guess < hi and keys[guess] < key:
        low = guess + 1
        high = low
        while high < hi and keys[high] < key:
            low = high + 1
            high += step
            step *= 2
        high = min(high, hi)
    else:
        high = guess
        low = high
        while low > lo and keys[low - 1] >= key:
            high = low - 1
            low -= step
            step *= 2
        low = max(low, lo)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@inline
def chain_key(section: int, key: np.uint32) -> np.uint64:
    """Put section and key together."""
    return (np.uint64(section) << np.uint64(32)) | np.uint64(key)


@inline
def slot_of(key: np.uint64, mask: np.uint64) -> int:
    """Return the slot of a key."""
    h = (key ^ (key >> np.uint64(31))) * K_LENGTH
    return int(np.int64((h ^ (h >> np.uint64(32))) & mask))


@helper
def too_far(bits: U64, x: int, others: U64, y: int, apart: int) -> bool:
    """Whether more than ``apart`` of the one-bit MinHash values of two rows differ."""
    differ = ones(bits[2 * x] ^ others[2 * y]) + ones(bits[2 * x + 1] ^ others[2 * y + 1])
    return bool(np.int64(differ) > apart)


@kernel
def search(segment: Segment, base: int, wanted: Wanted, sizes: I32, hits: I64, count: int) -> int:
    """Look keys up in a segment.

    Args:
        segment: the segment.
        base: how many rows were entered before those of the segment.
        wanted: the keys.
        sizes: int32[w, m], raised by how many entries each key has.
        hits: int64[c, 4], filled from ``count`` on, as far as there is room: which row of ``wanted``, which line, the
            row found, and how many were entered before it.
        count: of hits so far.

    Returns:
        How many hits there are now; more than there is room for if there was not enough.
    """
    for w in range(wanted.sections.size):
        lo, hi = segment.bounds[wanted.sections[w]], segment.bounds[wanted.sections[w] + 1]
        for x in range(wanted.keys.shape[1]):
            if not wanted.present[w, x]:
                continue
            key = wanted.keys[w, x]
            at = first_at_least(segment.keys, lo, hi, key)
            while at < hi and segment.keys[at] == key:
                place = int(np.int64(segment.places[at]))
                sizes[w, x] += 1
                at += 1
                if place >= segment.rows.size:  # it is damaged
                    continue
                if w < wanted.sifted and too_far(wanted.bits, x, segment.bits, place, wanted.apart):
                    continue
                if count < hits.shape[0]:
                    hits[count, ROW_OF], hits[count, WANTED] = x, w
                    hits[count, FOUND], hits[count, ORDINAL] = segment.rows[place], base + place
                count += 1
    return count


@kernel
def search_recent(recent: Recent, base: int, wanted: Wanted, sizes: I32, hits: I64, count: int) -> int:
    """Look keys up among recent entries; everything as for ``search``, newer ones first."""
    mask = np.uint64(recent.heads.size - 1)
    for w in range(wanted.sections.size):
        for x in range(wanted.keys.shape[1]):
            if not wanted.present[w, x]:
                continue
            key = chain_key(wanted.sections[w], wanted.keys[w, x])
            entry = recent.heads[slot_of(key, mask)]
            while entry != FREE:
                if recent.keys[entry] == key:
                    place = int(np.int64(recent.places[entry]))
                    sizes[w, x] += 1
                    if w >= wanted.sifted or not too_far(wanted.bits, x, recent.bits, place, wanted.apart):
                        if count < hits.shape[0]:
                            hits[count, ROW_OF], hits[count, WANTED] = x, w
                            hits[count, FOUND], hits[count, ORDINAL] = recent.rows[place], base + place
                        count += 1
                entry = recent.following[entry]
    return count


@kernel
def enter(recent: Recent, first: int, keys: U32, allowed: Bool, count: int) -> int:
    """Enter rows that stand in ``recent.rows`` already.

    Args:
        recent: has room for all entries.
        first: place of the first row.
        keys: uint32[s, r], the keys of the rows in every section.
        allowed: bool[s, r], which to enter.
        count: of entries so far.

    Returns:
        How many entries there are now.
    """
    mask = np.uint64(recent.heads.size - 1)
    for x in range(keys.shape[1]):
        for section in range(keys.shape[0]):
            if allowed[section, x]:
                key = chain_key(section, keys[section, x])
                slot = slot_of(key, mask)
                recent.keys[count], recent.places[count] = key, first + x
                recent.following[count] = recent.heads[slot]
                recent.heads[slot] = count
                count += 1
    return count


@kernel
def chain_up(recent: Recent, count: int) -> None:
    """Build the chains of so many entries anew, for ``recent.heads`` has another size."""
    recent.heads[:] = FREE
    mask = np.uint64(recent.heads.size - 1)
    for entry in range(count):
        slot = slot_of(recent.keys[entry], mask)
        recent.following[entry] = recent.heads[slot]
        recent.heads[slot] = entry
