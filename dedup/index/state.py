"""What a process holds of an index: postings and frequencies, kept up with what any process has added."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import time
import zlib
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
import xxhash

from dedup.arrays import I32, I64, U64
from dedup.errors import Corrupt
from dedup.frequencies import PRIOR, Counts, DocumentFrequencies, Weights
from dedup.index.arrivals import Keys, Neighbours, allowed_keys, sections_of
from dedup.index.pages import Page
from dedup.index.postings import Hits, Postings, merge, read_segment, write_segment
from dedup.index.records import (
    BLOCKS,
    LATEST,
    NO_TOKENS,
    PAGES,
    Entry,
    Known,
    Roles,
    count_terms_in,
    entry_of,
    entry_of_page,
    first_half,
    leads,
    tokens_in,
    unpack,
)
from dedup.index.sqlite import SQLiteStore
from dedup.index.stores import Store
from dedup.kernels.postings import FOUND, FREE, ROW_OF, WANTED, Segment, Wanted
from dedup.lsh import Scheme
from dedup.settings import Settings
from dedup.sketch import Sketches, sketch_rows

FOLDED = 1 << 13  # recent rows that are folded into a segment; an index is opened as fast as these are entered
ALIKE = 4  # one-bit MinHash values in which a row that has changed may differ from what it is found by
TOGETHER = 32  # rows that are entered at a time, so that no bucket gets many more than its limit
MOST_ABOVE = 1 << 31  # contents that are added before all are in segments
STALE = 1.1  # weights of terms are made again when a language has so many times the documents
log = logging.getLogger("dedup")
SUFFIX = ".segment"
SPARED = 600.0  # seconds for which files of segments stay: a process may have read their names just now


def digest_of(segment: Segment) -> str:
    """Return a checksum of what a segment holds."""
    digest = xxhash.xxh3_128()
    for array in segment:
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


Tables = TypeVar("Tables", bound=Store)


class BaseState(Generic[Tables]):
    """What the states of all kinds of stores have in common.

    Args:
        store: the tables that they are made from.
        settings: the settings of the index.
        schemes: how blocks and documents are sketched.
    """

    def __init__(self, store: Tables, settings: Settings, schemes: tuple[Scheme, Scheme]) -> None:
        self._store, self._settings = store, settings
        self._schemes = dict(zip((BLOCKS, PAGES), schemes, strict=True))
        self._weights: dict[int, tuple[int, Weights]] = {}

    def is_fresh(self, row: int) -> bool:
        """Whether a content has not been entered."""
        raise NotImplementedError

    def _documents(self, language: int) -> int:
        """Return how many documents of a language were counted."""
        raise NotImplementedError

    def _counted(self, language: int) -> DocumentFrequencies:
        """Return the frequencies of terms, those of a language at least."""
        raise NotImplementedError

    def bands(self, kind: str) -> int:
        """Return how many bands a kind of rows has."""
        return self._schemes[kind].bands

    def tokens_of(self, page: Known) -> list[U64]:
        """Return the tokens of each block of a page: uint64[t] each."""
        rows = unpack(page.contents)[0].tolist()
        known = self._store.contents({row for row in rows if row >= 0})
        return [tokens_in(known[row]) if row in known else NO_TOKENS for row in rows]

    def _promoted_entries(self, kind: str, row: int) -> list[Entry]:
        """Return what to enter of a row that became a keeper after it was entered; nothing of one that is gone."""
        if kind == BLOCKS:
            content = self._store.contents([row]).get(row)
            return [] if content is None else [entry_of(content, fresh=self.is_fresh(row), keeper=True)]
        page = self._store.pages([row]).get(row)
        return [] if page is None or not leads(page) else [entry_of_page(page, self.tokens_of(page))]

    def weights(self, language: int) -> Weights:
        """Return the logarithms that terms of a language are weighed by, see ``put_together``."""
        docs = self._documents(language)
        made = self._weights.get(language)
        if made is None or docs + PRIOR > STALE * (made[0] + PRIOR):
            weights = self._counted(language).blended(np.array([language], np.int32), included=False).logarithms()
            made = self._weights[language] = docs, weights
        return made[1]


class Numbers:
    """Numbers from 1 on, nearly all up to the last.

    Attributes:
        last: the highest of them.
    """

    def __init__(self) -> None:
        self.last = self._all_up_to = 0
        self._above = bytearray()

    def __contains__(self, number: int) -> bool:
        """Whether a number is one of them."""
        place = number - self._all_up_to - 1
        return place < 0 or (place < len(self._above) and self._above[place] == 1)

    def add(self, numbers: Iterable[int]) -> None:
        """Add numbers.

        Raises:
            Corrupt: one is so high that it was given to nothing.
        """
        for number in numbers:
            place = number - self._all_up_to - 1
            if place >= MOST_ABOVE:
                raise Corrupt(f"there is no content {number}: dedup index verify --repair")
            if place >= len(self._above):
                self._above.extend(bytes(place + 1 - len(self._above)))
            if place >= 0:
                self._above[place] = 1
            self.last = max(self.last, number)

    def settle(self, last: int = 0) -> None:
        """Add all up to the last, or to another one."""
        self.last = self._all_up_to = max(self.last, last)
        self._above.clear()


class State(BaseState[SQLiteStore]):
    """Postings of blocks and of pages, and the frequencies of terms.

    Args:
        store: the tables that they are made from.
        settings: the settings of the index.
        schemes: how blocks and documents are sketched.
        folder: where segments rest; None for in memory.
    """

    def __init__(
        self, store: SQLiteStore, settings: Settings, schemes: tuple[Scheme, Scheme], folder: pathlib.Path | None
    ) -> None:
        super().__init__(store, settings, schemes)
        self._folder = folder
        self._generation = -1
        self._held: dict[str, Segment] = {}  # where there is no folder
        self._asked: dict[str, tuple[Keys, Wanted]] = {}  # what was looked up last
        self._clear()

    def _clear(self) -> None:
        """Forget everything."""
        self.postings = {kind: Postings(sections_of(scheme.bands)) for kind, scheme in self._schemes.items()}
        # of the files of their segments
        self._names: dict[str, list[str | None]] = {kind: [] for kind in self.postings}
        self.frequencies = DocumentFrequencies()
        self._weights.clear()
        self.last_page = self._promoted = 0
        self._entered = Numbers()  # contents that are to be found by their fingerprints

    def reset(self) -> None:
        """Forget everything; the next ``refresh`` takes in what rests."""
        self._generation = -1
        self._store.forget_version()

    def refresh(self) -> None:
        """Take in what others have added since; inside a transaction."""
        if not self._store.changed():
            return
        generation = self._store.get("generation", 0)
        if generation != self._generation:
            self._load(generation)
        while pages := self._store.pages_after(self.last_page):
            self._take(pages)
            if self.is_long():
                for kind in self.postings:
                    self._fold(kind)
        self.take_promotions()

    def take_promotions(self) -> None:
        """Enter rows that became keepers after they were entered."""
        for event, kind, row in self._store.promoted_after(self._promoted):
            self.enter(kind, self._promoted_entries(kind, row))
            self._promoted = event

    def _load(self, generation: int) -> None:
        """Take the segments and frequencies that rest; what is in them is forgotten as recent."""
        self._generation = generation
        self._clear()
        try:
            for kind, postings in self.postings.items():
                self._names[kind] = list(self._store.segments(kind))
                postings.replace([self._segment(name) for name in self._store.segments(kind)])
            self.frequencies = self._kept_frequencies()
        except Corrupt as error:
            log.warning("%s: making it again from the pages", error)
            self._clear()
            return
        names = ("folded_page", "folded_row", "folded_event")
        self.last_page, row, self._promoted = (self._store.get(name, 0) for name in names)
        self._entered.settle(row)

    def _kept_frequencies(self) -> DocumentFrequencies:
        """Return the frequencies that rest.

        Raises:
            Corrupt: they are damaged.
        """
        found = DocumentFrequencies()
        try:
            for language, docs, counts in self._store.frequencies():
                found.docs[language] = docs
                if counts is not None:
                    found.table(language)[:] = np.frombuffer(zlib.decompress(counts), np.uint32)
        except (zlib.error, ValueError, IndexError, TypeError) as error:
            raise Corrupt(f"frequencies of terms are damaged ({error})") from error
        return found

    def _take(self, pages: Sequence[Known]) -> None:
        """Enter pages that another process has added, as it did itself."""
        rows_of = [unpack(page.contents)[0].tolist() for page in pages]
        known = self._store.contents({row for rows in rows_of for row in rows if row >= 0})
        entries, leading, counted = [], [], []
        for page, rows in zip(pages, rows_of, strict=True):
            for one in (known[row] for row in dict.fromkeys(rows) if row in known):
                entries.append(entry_of(one, fresh=self.is_fresh(one.row), keeper=one.page == page.page))
                self._entered.add([one.row] if entries[-1].fresh else [])
            if leads(page):
                parts = [tokens_in(known[row]) if row in known else NO_TOKENS for row in rows]
                leading.append(entry_of_page(page, parts))
                counted += [(page.language, parts)] if page.language is not None else []
        self.enter(BLOCKS, entries)
        self.enter(PAGES, leading)
        for language, parts in counted:
            self.count(count_terms_in(parts, language), language)
        self.last_page = pages[-1].page

    def is_fresh(self, row: int) -> bool:
        """Whether a content has not been entered."""
        return row not in self._entered

    def count(self, counts: Counts, language: int) -> None:
        """Count the terms of a page."""
        self.frequencies.add(counts, np.array([language], np.int32), np.zeros(1, np.int64))

    def _documents(self, language: int) -> int:
        """Return how many documents of a language were counted."""
        return int(self.frequencies.docs[language])

    def _counted(self, _language: int) -> DocumentFrequencies:
        """Return the frequencies of terms."""
        return self.frequencies

    def expect(self, arrivals: Sequence[tuple[Page, str, str | None]]) -> None:
        """Prepare for pages that are about to be judged: everything is at hand."""

    def find(self, kind: str, keys: Keys, apart: int) -> Hits:
        """Look rows up; at most ``apart`` one-bit MinHash values differ in those that share a band."""
        wanted = keys.lines(apart)
        self._asked[kind] = keys, wanted
        return self.postings[kind].find(wanted)

    def enter(self, kind: str, entries: list[Entry]) -> None:
        """Enter rows, in the order in which they may survive."""
        entries = [one for one in entries if one.fresh or one.keeper]
        if kind == BLOCKS:
            self._entered.add(one.row for one in entries if one.fresh)
        scheme, least = self._schemes[kind], self._settings.min_tokens if kind == BLOCKS else 1
        for first in range(0, len(entries), TOGETHER):
            some = entries[first : first + TOGETHER]
            long = np.flatnonzero([one.tokens.size >= least for one in some])
            tokens = [some[k].tokens for k in long.tolist()]
            bounds = np.cumsum([0, *(one.size for one in tokens)])
            joined = np.concatenate(tokens) if tokens else np.empty(0, np.uint64)
            sketches = sketch_rows(joined, bounds, np.arange(long.size), scheme)
            prints = np.array([first_half(one.print) for one in some], np.uint64)
            wanted = Keys(prints, long, sketches).lines(ALIKE)
            hits = self.postings[kind].find(wanted)
            fresh, keeper, leads = (np.array([one[k] for one in some], np.bool_) for k in (3, 4, 5))
            rows = np.array([one.row for one in some], np.int64)
            own = hits.table[rows[hits.table[:, ROW_OF]] == hits.table[:, FOUND]]  # which are entered again
            wanted.present[own[:, WANTED], own[:, ROW_OF]] = False
            self._enter(kind, rows, wanted, hits.sizes, Roles(fresh, keeper, leads))

    def enter_found(self, kind: str, rows: Sequence[int], near: Neighbours, roles: Roles) -> None:
        """Enter rows that were looked up just now, in the order in which they may survive."""
        keys, wanted = self._asked[kind]
        wanted = wanted if keys is near.keys else near.keys.lines(-1)
        found = roles.fresh | roles.keeper
        numbers = np.array(rows, np.int64)
        if kind == BLOCKS:
            self._entered.add(numbers[roles.fresh].tolist())
        if found.all():
            self._enter(kind, numbers, wanted, near.sizes, roles)
            return
        which = found.nonzero()[0]
        self._enter(
            kind, numbers[which], wanted.take(which), near.sizes[:, which], Roles(*(one[which] for one in roles))
        )

    def _enter(self, kind: str, rows: I64, wanted: Wanted, sizes: I32, roles: Roles) -> None:
        """Enter rows."""
        keys, allowed = allowed_keys(wanted, sizes, *roles, self._settings.bucket_limit)
        self.postings[kind].enter(rows, wanted.bits, keys, allowed)

    def is_long(self) -> bool:
        """Whether there is so much that is recent that it is to be folded."""
        return any(postings.recent >= FOLDED for postings in self.postings.values())

    def fold(self) -> None:
        """Fold what is recent into segments, which others will take from there.

        If another process has done so meanwhile, its segments stand.
        """
        generation = self._generation
        for kind in self.postings:
            self._fold(kind)
        self._entered.settle()  # all contents that there are
        files = {kind: [self._kept(kind, k) for k in range(len(names))] for kind, names in self._names.items()}
        last = self.frequencies.docs.size - 1  # of texts of no language that is known, whose table is at FREE
        frequencies = [
            (language, int(docs), self._table(language))
            for language, docs in zip((*range(last), FREE), self.frequencies.docs, strict=True)
            if docs
        ]
        with self._store.writing():
            if self._store.get("generation", 0) != generation:
                return
            before = {name for kind in files for name in self._store.segments(kind)}
            for kind, names in files.items():
                self._store.set_segments(kind, names)
            self._store.set_frequencies(frequencies)
            self._store.forget_promotions(self._promoted)
            for name, value in (
                ("generation", generation + 1), ("folded_page", self.last_page), ("folded_row", self._entered.last),
                ("folded_event", self._promoted),
            ):  # fmt: skip
                self._store.set(name, value)
        self._generation = generation + 1
        self._store.write_back()
        self._sweep(before)

    def _table(self, language: int) -> bytes | None:
        """Return the counts of a language's terms, compressed; None where there are none."""
        table = self.frequencies.tables.get(language)
        return None if table is None else zlib.compress(table.tobytes(), 1)

    def _fold(self, kind: str) -> None:
        """Fold what is recent into a segment, and merge segments that are too many."""
        postings, names = self.postings[kind], self._names[kind]
        segments = list(postings.segments)
        if postings.recent:
            segments.append(postings.fold())
            names.append(None)
        merged = False
        while len(segments) > 1 and 2 * segments[-1].rows.size >= segments[-2].rows.size:
            segments[-2:] = [merge(segments[-2], segments[-1])]
            names[-2:] = [None]
            merged = True
        postings.replace(segments)
        if merged and self._store.get("removed", 0):  # what is gone is left out where everything is written anew
            rows = self._store.content_rows() if kind == BLOCKS else self._store.page_numbers()
            postings.leave_out_but(np.fromiter(rows, np.int64))

    def _kept(self, kind: str, place: int) -> str:
        """Write a segment into a file named after its content, if it is in none; return the name."""
        name = self._names[kind][place]
        if name is None:
            segment = self.postings[kind].segments[place]
            name = f"{kind}-{digest_of(segment)}{SUFFIX}"
            if self._folder is None:
                self._held[name] = segment
            else:
                self._folder.mkdir(exist_ok=True)
                write_segment(self._folder / name, segment)
                self.postings[kind].segments[place] = read_segment(self._folder / name)  # out of memory
            self._names[kind][place] = name
        return name

    def size(self) -> int:
        """Return the bytes of all segments."""
        return sum(array.nbytes for one in self.postings.values() for segment in one.segments for array in segment)

    def _segment(self, name: str) -> Segment:
        """Map a segment."""
        return self._held[name] if self._folder is None else read_segment(self._folder / name)

    def complaints(self) -> list[str]:
        """Say which segments are not what was written."""
        found = []
        for kind in self.postings:
            for name in self._store.segments(kind):
                try:
                    same = name == f"{kind}-{digest_of(self._segment(name))}{SUFFIX}"
                except Corrupt:
                    same = False
                found += [] if same else [f"segment {name} is damaged or missing: it can be made again"]
        try:
            self._kept_frequencies()
        except Corrupt as error:
            found.append(f"{error}: they can be made again")
        last = 0
        while contents := self._store.contents_after(last):
            found += self._unlisted(BLOCKS, [one.row for one in contents], [one.print for one in contents])
            last = contents[-1].row
        last = 0
        while pages := self._store.pages_after(last):
            leading = [one for one in pages if leads(one)]
            found += self._unlisted(PAGES, [one.page for one in leading], [one.print for one in leading])
            last = pages[-1].page
        return found

    def _unlisted(self, kind: str, rows: Sequence[int], prints: Sequence[bytes]) -> list[str]:
        """Say which rows are not found by their fingerprints."""
        nothing = np.empty(0, np.uint64)
        sketches = Sketches(np.empty((self.bands(kind), 0), np.uint32), nothing, nothing, None)
        keys = Keys(np.array([*map(first_half, prints)], np.uint64), np.empty(0, np.int64), sketches)
        hits = {(x, row) for x, _, row, _ in self.postings[kind].find(keys.lines(-1)).table.tolist()}
        name = "content" if kind == BLOCKS else "page"
        return [
            f"{name} {row} is not found by its fingerprint: postings can be made again"
            for x, row in enumerate(rows) if (x, row) not in hits
        ]  # fmt: skip

    def make_again(self) -> None:
        """Forget segments and frequencies that rest; the next ``refresh`` makes them of the pages. While writing."""
        for kind in self.postings:
            self._store.set_segments(kind, [])
        for name in ("folded_page", "folded_row", "folded_event"):
            self._store.set(name, 0)
        self._store.set("generation", self._store.get("generation", 0) + 1)
        self._store.forget_promotions(LATEST)
        self._store.clear_frequencies()
        self.reset()

    def _sweep(self, before: set[str]) -> None:
        """Delete files of segments that are in use no more, nor were a while ago.

        Args:
            before: the names of those that were in use until now.
        """
        used = {name for kind in self.postings for name in self._store.segments(kind)}
        self._held = {name: segment for name, segment in self._held.items() if name in used}
        if self._folder is None:
            return
        for name in before - used:
            with contextlib.suppress(OSError):
                (self._folder / name).touch()  # it is in use by others until they look again
        for path in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                if path.name not in used and path.stat().st_mtime < time.time() - SPARED:
                    path.unlink()
