"""A page and the rows an index has in; the keepers of the page and of its blocks out.

The decision is that of ``dedup.decide`` where the first of several copies survives: pages are decided on in the order
of arrival, the page first, then the blocks of a page that stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import F64, I32, I64, U32, U64, Bool, lengths_of
from dedup.index.postings import Hits
from dedup.kernels.arrive import Arrivals, settle_arrivals, sift
from dedup.kernels.compare import Rows, Rules, scratch
from dedup.kernels.match import most_differing_bits
from dedup.kernels.postings import WANTED, Wanted
from dedup.kernels.tables import FREE
from dedup.sketch import Sketches

LATER = 1 << 62  # ranks of rows that arrive begin here


class Keys(NamedTuple):
    """What ``m`` rows are looked up by.

    Attributes:
        prints: uint64[m], the first 64 bits of their fingerprints.
        long: int64[l], those that are matched.
        sketches: of these.
    """

    prints: U64
    long: I64
    sketches: Sketches

    def lines(self, apart: int) -> Wanted:
        """Put keys together: a line a band, one of fingerprints and one of families."""
        bands, m = self.sketches.keys.shape[0], self.prints.size
        keys, present = np.zeros((bands + 2, m), np.uint32), np.zeros((bands + 2, m), np.bool_)
        bits, families = np.zeros(2 * m, np.uint64), np.zeros(m, np.uint64)
        keys[:bands, self.long], present[:bands, self.long] = self.sketches.keys, True
        bits.reshape(-1, 2)[self.long] = self.sketches.bits.reshape(-1, 2)
        families[self.long] = self.sketches.families
        keys[bands], present[bands] = self.prints >> np.uint64(32), True
        keys[bands + 1], present[bands + 1] = families >> np.uint64(32), families != 0
        return Wanted(np.arange(bands + 2), keys, present, bands, bits, apart)

    def parts(self, size: int) -> Iterator[Keys]:
        """Yield the keys of so many rows at a time."""
        if self.prints.size <= size:
            yield self
            return
        for first in range(0, self.prints.size, size):
            which = (self.long >= first) & (self.long < first + size)
            yield Keys(self.prints[first : first + size], self.long[which] - first, take_sketches(self.sketches, which))


def sections_of(bands: int) -> int:
    """Return how many sections postings need for so many bands, see ``Keys.lines``."""
    return bands + 2


def bits_apart(threshold: float) -> int:
    """Return how many one-bit MinHash values of a pair may differ, see ``most_differing_bits``."""
    return int(most_differing_bits.py_func(threshold))  # type: ignore[attr-defined]


class Neighbours(NamedTuple):
    """Rows that share a key with rows that arrive.

    Attributes:
        keys: what was looked up; ``sizes``, int32[w, m], see ``Hits``.
        sizes: see ``keys``.
        prints: for each of the rows that arrive those that may be the same; ``families``, that may differ in numbers.
        families: see ``prints``.
        near: for each those that share a band, in the order in which they were entered.
        ordinals: how many were entered before each of these.
    """

    keys: Keys
    sizes: I32
    prints: list[list[int]]
    families: list[list[int]]
    near: list[list[int]]
    ordinals: dict[int, int]


def neighbours_of(keys: Keys, hits: Hits, limit: int) -> Neighbours:
    """Say of rows that were looked up what they found; each is compared with so many at the most."""
    m, bands = keys.prints.size, keys.sketches.keys.shape[0]
    bounds, found, ordinals = (np.empty(size, np.int64) for size in (m + 1, len(hits.table), len(hits.table)))
    sift(hits.table, bands, limit, bounds, found, ordinals)
    prints: list[list[int]] = [[] for _ in range(m)]
    families: list[list[int]] = [[] for _ in range(m)]
    for x, line, row, _ in hits.table[hits.table[:, WANTED] >= bands].tolist():
        (prints if line == bands else families)[x].append(row)
    ends, rows = bounds.tolist(), found[: bounds[m]].tolist()
    near = [rows[first:end] for first, end in itertools.pairwise(ends)]
    return Neighbours(keys, hits.sizes, prints, families, near, dict(zip(rows, ordinals.tolist(), strict=False)))


def joined(keys: Keys, parts: Sequence[Neighbours]) -> Neighbours:
    """Put together what rows found that were looked up in parts."""
    return Neighbours(
        keys,
        np.concatenate([part.sizes for part in parts], axis=1),
        [rows for part in parts for rows in part.prints],
        [rows for part in parts for rows in part.families],
        [rows for part in parts for rows in part.near],
        {row: ordinal for part in parts for row, ordinal in part.ordinals.items()},
    )


class Other(NamedTuple):
    """A row that was there.

    Attributes:
        tokens: uint64, its tokens.
        family: see ``Arrivals``.
    """

    tokens: U64
    family: int


def take_sketches(sketches: Sketches, which: I64 | Bool) -> Sketches:
    """Return some of the sketches."""
    if which.dtype == np.bool_ and which.all():
        return sketches
    bits = sketches.bits.reshape(-1, 2)[which].reshape(-1)
    signed = None if sketches.signed is None else sketches.signed[which]
    return Sketches(np.ascontiguousarray(sketches.keys[:, which]), bits, sketches.families[which], signed)


class Settled(NamedTuple):
    """What was decided on ``m`` rows.

    Attributes:
        keepers: the row that each stands for: a number of the index, or ``~k`` for the k-th of those that arrived.
        similarity: float64[m], to the keeper, or else to the variant.
        variants: like ``keepers``, None for none.
    """

    keepers: list[int]
    similarity: F64
    variants: list[int | None]


def settle(
    tokens: Sequence[U64],
    sketches: Sketches,
    sizes: I32,
    candidates: Sequence[Sequence[int]],
    relatives: Sequence[int | None],
    ordinals: dict[int, int],
    other: Callable[[int], Other],
    rules: Rules,
) -> Settled:
    """Decide on rows that arrive.

    Args:
        tokens: of each of ``m`` rows uint64, its tokens.
        sketches: of them.
        sizes: int32[bands, m], how many keepers each of their buckets has.
        candidates: for each the keepers of the index that share a bucket with it.
        relatives: for each the first keeper of its family, None for none.
        ordinals: the survivor order of candidates.
        other: returns a row of the index.
        rules: when rows match.
    """
    m = len(tokens)
    others = sorted({row for rows in candidates for row in rows} | {row for row in relatives if row is not None})
    known = {row: other(row) for row in others}
    separate = not rules.family_matches
    place = {row: m + k for k, row in enumerate(others)}
    own = sketches.families.tolist()
    lists = [
        [place[row] for row in rows if not (separate and own[x] != 0 and known[row].family == own[x])]
        for x, rows in enumerate(candidates)
    ]
    texts = [*tokens, *(known[row].tokens for row in others)]
    n = len(texts)
    bounds = np.zeros(n + 1, np.int64)
    np.cumsum([text.size for text in texts], out=bounds[1:])
    each = np.arange(n + 1)
    rows_of = Rows(np.concatenate(texts), bounds, each[:-1], each[:-1], each[1:])
    arrivals = Arrivals(
        sketches.keys,
        np.ascontiguousarray(sizes),
        sketches.bits,
        np.array([*own, *(known[row].family for row in others)], np.uint64),
        np.array([FREE if row is None else place[row] for row in relatives], np.int64),
        np.cumsum([0, *map(len, lists)]),
        np.array([row for rows in lists for row in rows], np.int64),
        np.array([*range(LATER, LATER + m), *(ordinals.get(row, FREE) for row in others)], np.int64),
    )
    room = scratch(np.zeros(n, np.int32), int(lengths_of(bounds).max(initial=1)), sketches.keys.shape[0], rules)
    keepers, similarity, variants = np.empty(m, np.int64), np.empty(m), np.empty(m, np.int64)
    settle_arrivals(
        rows_of, arrivals, bits_apart(rules.threshold), rules, room, np.zeros(n, np.int32), keepers, similarity,
        variants,
    )  # fmt: skip

    def told(row: int) -> int:
        return ~row if row < m else others[row - m]

    return Settled(
        [told(row) for row in keepers.tolist()], similarity, [None if v == FREE else told(v) for v in variants.tolist()]
    )


def allowed_keys(wanted: Wanted, sizes: I32, fresh: Bool, keepers: Bool, first: Bool, limit: int) -> tuple[U32, Bool]:
    """Say which keys to enter, of rows that were decided on.

    Args:
        wanted: their keys.
        sizes: int32[w, m], how many entries there are of each.
        fresh: bool[m], rows that are new, and are to be found by their fingerprints.
        keepers: bool[m], rows to be found by their bands.
        first: bool[m], those of them that are the first of their families.
        limit: entries that a bucket has at the most.
    """
    bands = wanted.sifted
    allowed = wanted.present.copy()
    allowed[:bands] &= keepers & (sizes[:bands] < limit)
    allowed[bands] &= fresh
    allowed[bands + 1] &= first
    return wanted.keys, allowed
