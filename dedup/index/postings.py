"""Keys of rows in, a page at a time; the rows entered before that share a key out.

Recent entries stand in a table in memory; when there are many they are folded into a sorted segment, which is mapped
from a file. Segments are merged so that each is less than half as long as the one before it (O'Neil et al., "The
log-structured merge-tree", 1996).
"""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.arrays import I32, I64, U32, U64, Bool
from dedup.errors import Corrupt
from dedup.kernels.postings import (
    FREE,
    Recent,
    Segment,
    Wanted,
    chain_up,
    enter,
    search,
    search_recent,
)
from dedup.store import atomic_file, told_when_unwritable

MAGIC = np.uint64(0x31544E454D474553)  # "SEGMENT1"
FIRST_ROOM = 1 << 8


class Hits(NamedTuple):
    """What was found.

    Attributes:
        table: int64[h, 4], see ``dedup.kernels.postings.search``.
        sizes: int32[w, m], how many entries each key has.
    """

    table: I64
    sizes: I32


class Postings:
    """For each of ``sections`` sections a map from 32-bit keys to rows.

    Args:
        sections: how many.
    """

    def __init__(self, sections: int) -> None:
        self._sections = sections
        self.segments: list[Segment] = []
        self._folded = 0  # rows in the segments
        self._rows = self._entries = 0  # recent ones
        self._recent = self._room(FIRST_ROOM, FIRST_ROOM)

    @property
    def recent(self) -> int:
        """How many rows are in no segment."""
        return self._rows

    @property
    def size(self) -> int:
        """How many rows were entered."""
        return self._folded + self._rows

    def find(self, wanted: Wanted) -> Hits:
        """Look keys up."""
        sizes = np.zeros(wanted.keys.shape, np.int32)
        room = max(64, 4 * wanted.keys.size)
        while True:
            hits = np.empty((room, 4), np.int64)
            base = count = 0
            for segment in self.segments:
                count = search(segment, base, wanted, sizes, hits, count)
                base += segment.rows.size
            if self._rows:
                count = search_recent(self._recent, base, wanted, sizes, hits, count)
            if count <= room:
                break
            room = count
            sizes[:] = 0
        return Hits(hits[:count], sizes)

    def enter(self, rows: I64, bits: U64, keys: U32, allowed: Bool) -> None:
        """Enter rows.

        Args:
            rows: int64[r].
            bits: uint64[2 * r], 128 one-bit MinHash values of each.
            keys: uint32[sections, r].
            allowed: bool[sections, r], which of the keys to enter.
        """
        self._make_room(self._rows + rows.size, self._entries + int(np.count_nonzero(allowed)))
        first, self._rows = self._rows, self._rows + rows.size
        self._recent.rows[first : self._rows] = rows
        self._recent.bits[2 * first : 2 * self._rows] = bits
        self._entries = enter(self._recent, first, keys, allowed, self._entries)

    def fold(self) -> Segment:
        """Return a segment of all recent entries; they stay where they are until ``replace``."""
        recent, count = self._recent, self._entries
        order = np.argsort(recent.keys[:count], kind="stable")
        bounds = np.searchsorted(recent.keys[:count][order] >> np.uint64(32), np.arange(self._sections + 1))
        return sealed(
            recent.rows[: self._rows].copy(),
            recent.bits[: 2 * self._rows].copy(),
            bounds.astype(np.int64),
            recent.keys[:count][order].astype(np.uint32),
            recent.places[:count][order].astype(np.uint32),
        )

    def replace(self, segments: list[Segment]) -> None:
        """Take these segments for all there is; recent entries are in them, if they are to stay."""
        self.segments, self._folded = segments, sum(segment.rows.size for segment in segments)
        self._rows = self._entries = 0
        self._recent = self._room(FIRST_ROOM, FIRST_ROOM)

    def leave_out_but(self, rows: I64) -> None:
        """Leave out of the last segment what is not among these rows, int64; segments before it are counted on."""
        last = self.segments[-1]
        kept = without(last, ~np.isin(last.rows, rows))
        self._folded += kept.rows.size - last.rows.size
        self.segments[-1] = kept

    def _room(self, rows: int, entries: int) -> Recent:
        """Return an empty table."""
        return Recent(
            np.full(1 << (entries - 1).bit_length(), FREE, np.int32),
            np.empty(entries, np.uint64),
            np.empty(entries, np.int32),
            np.empty(entries, np.int32),
            np.empty(rows, np.int64),
            np.empty(2 * rows, np.uint64),
        )

    def _make_room(self, rows: int, entries: int) -> None:
        """Make the table large enough."""
        old = self._recent
        if rows > old.rows.size:
            more = 2 * rows - old.rows.size
            old = old._replace(
                rows=np.append(old.rows, np.empty(more, np.int64)),
                bits=np.append(old.bits, np.empty(2 * more, np.uint64)),
            )
        if entries > old.keys.size:
            more = 2 * entries - old.keys.size
            old = old._replace(
                heads=np.empty(1 << (2 * entries - 1).bit_length(), np.int32),
                keys=np.append(old.keys, np.empty(more, np.uint64)),
                places=np.append(old.places, np.empty(more, np.int32)),
                following=np.append(old.following, np.empty(more, np.int32)),
            )
            chain_up(old, self._entries)
        self._recent = old


def sealed(*arrays: npt.NDArray[Any]) -> Segment:
    """Return a segment that cannot be written to, as mapped ones cannot: kernels are compiled for kinds of arrays."""
    for array in arrays:
        array.flags.writeable = False
    return Segment(*arrays)


def merge(first: Segment, second: Segment) -> Segment:
    """Put a segment and the one after it together."""
    sections = first.bounds.size - 1
    keys, places = [], []
    for section in range(sections):
        a, b = (slice(one.bounds[section], one.bounds[section + 1]) for one in (first, second))
        both = np.concatenate([first.keys[a], second.keys[b]])
        order = np.argsort(both, kind="stable")
        keys.append(both[order])
        places.append(np.concatenate([first.places[a], second.places[b] + np.uint32(first.rows.size)])[order])
    return sealed(
        np.concatenate([first.rows, second.rows]),
        np.concatenate([first.bits, second.bits]),
        first.bounds + second.bounds,
        np.concatenate(keys),
        np.concatenate(places),
    )


def without(segment: Segment, gone: Bool) -> Segment:
    """Return a segment without the rows that are gone, bool[k]."""
    stay = ~gone
    numbers = np.cumsum(stay) - 1
    left = stay[segment.places]
    counts = np.concatenate([[0], np.cumsum(left)])
    return sealed(
        segment.rows[stay],
        segment.bits.reshape(-1, 2)[stay].reshape(-1),
        counts[segment.bounds],
        segment.keys[left],
        numbers[segment.places[left]].astype(np.uint32),
    )


def write_segment(path: pathlib.Path, segment: Segment) -> None:
    """Write a segment into a file: five lengths, then its arrays, each from a multiple of 8 bytes on.

    Raises:
        StoreError: it cannot be written.
    """
    with told_when_unwritable(path), atomic_file(path) as file:
        file.write(np.array([MAGIC, *(array.size for array in segment)], np.uint64).tobytes())
        for array in segment:
            data = np.ascontiguousarray(array).view(np.uint8).data
            file.write(data)
            file.write(bytes(-len(data) % 8))


def read_segment(path: pathlib.Path) -> Segment:
    """Map a segment from its file.

    Raises:
        Corrupt: it is damaged, or not there.
    """
    try:
        data = np.memmap(path, np.uint8, "r").view(np.ndarray)
    except (OSError, ValueError) as error:
        raise Corrupt(f"{path} is damaged or missing ({error})") from error
    head = data[: 8 * 6]
    sizes = head.view(np.uint64).tolist() if head.size == 8 * 6 else [0]
    dtypes = (np.int64, np.uint64, np.int64, np.uint32, np.uint32)
    lengths = [size * np.dtype(dtype).itemsize for size, dtype in zip(sizes[1:], dtypes, strict=False)]
    if sizes[0] != int(MAGIC) or data.size != 8 * 6 + sum(length + -length % 8 for length in lengths):
        raise Corrupt(f"{path} is damaged: it is no segment, or not whole")
    arrays, at = [], 8 * 6
    for length, dtype in zip(lengths, dtypes, strict=True):
        arrays.append(data[at : at + length].view(dtype))
        at += length + -length % 8
    segment = Segment(*arrays)
    if not is_ascending(segment.bounds) or segment.bounds[[0, -1]].tolist() != [0, segment.keys.size]:
        raise Corrupt(f"{path} is damaged: its sections do not follow each other")
    return segment


def is_ascending(bounds: I64) -> bool:
    """Whether there are bounds, none below the one before it."""
    return bounds.size > 0 and bool((np.diff(bounds) >= 0).all())
