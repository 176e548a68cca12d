"""Rows of pages that come in; the rows in Redis that share a band, a fingerprint or a family with them out.

Bands stand there as datasketch's MinHashLSH has them: see ``dedup.index.scripts``. What is asked for is asked for all
rows of a page at once, or of a batch of pages, and remembered to the end of the transaction; orders that are not yet
written count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dedup.arrays import I64, U8, U32, U64
from dedup.frequencies import Counts, DocumentFrequencies
from dedup.index.arrivals import Keys, Neighbours
from dedup.index.pages import Page
from dedup.index.postings import Hits
from dedup.index.records import (
    BLOCKS,
    PAGES,
    Entry,
    Roles,
    count_terms_in,
    entry_of,
    entry_of_page,
    first_half,
    leads,
)
from dedup.index.redis import RedisStore
from dedup.index.scripts import FIND, LISTED
from dedup.index.state import BaseState
from dedup.index.wire import Command
from dedup.kernels.terms import BUCKETS
from dedup.lsh import Scheme
from dedup.settings import Settings
from dedup.sketch import Sketches, sketch_rows

TOGETHER = 256  # rows that are asked for at once
CHECKED = 500  # rows that are looked at, or entered again, at once
BITS = 16  # bytes of 128 one-bit MinHash values


def banded(signed: U32, scheme: Scheme) -> U32:
    """Put signatures into datasketch's order: uint32[m, bands * rows], where the values of a band stand together."""
    bands, rows = scheme.bands, scheme.rows
    arranged: U32 = signed[:, : bands * rows].reshape(-1, rows, bands).transpose(0, 2, 1).reshape(-1, bands * rows)
    return arranged


def values_of(signed: U32, scheme: Scheme) -> list[bytes]:
    """Return for each row the hash values of its bands behind each other, as datasketch writes them."""
    blob, size = banded(signed, scheme).astype(">u4").tobytes(), 4 * scheme.bands * scheme.rows
    return [blob[at : at + size] for at in range(0, len(blob), size)]


def halves_of(numbers: U64) -> list[bytes]:
    """Return numbers as 8 bytes each."""
    blob = numbers.astype("<u8").tobytes()
    return [blob[at : at + 8] for at in range(0, len(blob), 8)]


def rows_in(listed: bytes | None) -> list[int]:
    """Return the rows in an entry of a map."""
    return [] if listed is None else [int(row) for row in listed.split(b",")]


class Wants(NamedTuple):
    """What is looked up: hash values of bands of some rows, fingerprints and families, 8 bytes each."""

    values: Sequence[bytes]
    prints: Sequence[bytes]
    families: Sequence[bytes]


class Told(NamedTuple):
    """By what a row is found: hash values of its bands, 128 one-bit MinHash values, its family, 8 bytes."""

    values: bytes
    bits: bytes
    family: bytes


class Bands:
    """What was found under the bands of a kind of rows, and what is to be written there.

    Args:
        base: name of the bands, see ``dedup.index.scripts``.
        scheme: how rows are sketched.
        store: the tables.
    """

    def __init__(self, base: str, scheme: Scheme, store: RedisStore) -> None:
        self._base, self._store = base, store
        self._count, self._width = scheme.bands, 4 * scheme.rows
        self.clear()

    def clear(self) -> None:
        """Forget what was found."""
        self._buckets: dict[bytes, dict[int, list[int]]] = {}
        self._marks: dict[int, tuple[bytes, int]] = {}
        self._maps: dict[str, dict[bytes, list[int]]] = {"prints": {}, "families": {}}
        self._followed = 0  # orders
        self._added: dict[tuple[int, bytes], list[int]] = {}  # rows that are to come into a bucket
        self._hidden: set[int] = set()  # rows that are to go, or to come elsewhere
        self._changed: dict[tuple[str, bytes], list[tuple[bool, int]]] = {}  # what is to come into maps, or to go

    def requests(self, wants: Wants) -> tuple[list[Wants], list[Command]]:
        """Return what of it is not at hand, in parts, and the commands that ask for it."""
        missing = Wants(
            [one for one in dict.fromkeys(wants.values) if one not in self._buckets],
            [one for one in dict.fromkeys(wants.prints) if one not in self._maps["prints"]],
            [one for one in dict.fromkeys(wants.families) if one not in self._maps["families"]],
        )
        size = max(map(len, missing))
        parts = [Wants(*(one[at : at + TOGETHER] for one in missing)) for at in range(0, size, TOGETHER)]
        return parts, [
            self._store.call(FIND, self._base, self._count, self._width, *(b"".join(one) for one in part))
            for part in parts
        ]

    def take(self, wants: Wants, answer: list[Any]) -> None:
        """Take in the answer to a command of ``requests``."""
        found, rows, marks, *maps = answer
        for row, mark in zip(rows, marks, strict=True):
            if mark is not None and row.isdigit():  # others may have entered what is none of ours
                self._marks[int(row)] = mark[:BITS], int.from_bytes(mark[BITS:], "little")
        for one in wants.values:
            self._buckets[one] = {}
        for which, members in zip(found[::2], found[1::2], strict=True):
            k, band = divmod(which, self._count)
            ours = [int(row) for row in members if row.isdigit() and int(row) in self._marks]
            if ours:
                self._buckets[wants.values[k]][band] = ours
        for name, fields, listed in zip(("prints", "families"), wants[1:], maps, strict=True):
            self._maps[name].update(zip(fields, map(rows_in, listed), strict=True))

    def _follow(self) -> None:
        """Take in what was ordered."""
        orders = self._store.orders
        for what, key, row, field, _, mark in orders[self._followed :]:
            if what == "list" and key == self._base:
                self._unlist(row)
                self._marks[row] = mark[:BITS], int.from_bytes(mark[BITS:], "little")
                for band in range(self._count):
                    value = field[band * self._width : (band + 1) * self._width]
                    self._added.setdefault((band, value), []).append(row)
            elif what == "unlist" and key == self._base:
                self._unlist(row)
            elif what in {"put", "take"}:
                self._changed.setdefault((key, field), []).append((what == "put", row))
        self._followed = len(orders)

    def _unlist(self, row: int) -> None:
        """Take a row out of all buckets."""
        if row in self._hidden:
            for rows in self._added.values():
                if row in rows:
                    rows.remove(row)
        self._hidden.add(row)

    def find(self, values: Sequence[bytes], keys: Keys, apart: int) -> Hits:
        """Look rows up, for which all is at hand."""
        self._follow()
        sizes = np.zeros((self._count + 2, keys.prints.size), np.int32)
        hits = []
        for x, value in zip(keys.long.tolist(), values, strict=True):
            stored = self._buckets[value]
            for band in range(self._count) if self._added else stored:
                rows = self._rows_in(stored.get(band, []), band, value)
                sizes[band, x] = len(rows)
                hits += [(x, band, row) for row in rows]
        table = self._sifted(hits, keys, apart)
        others = []
        families = keys.sketches.families
        long = np.flatnonzero(families)
        for line, name, which, wanted in (
            (self._count, "prints", range(keys.prints.size), keys.prints),
            (self._count + 1, "families", keys.long[long].tolist(), families[long]),
        ):
            for x, field in zip(which, halves_of(wanted), strict=True):
                others += [(x, line, row, 0) for row in self._mapped(name, field)]
        return Hits(np.concatenate([table, np.array(others, np.int64).reshape(-1, 4)]), sizes)

    def _rows_in(self, stored: list[int], band: int, value: bytes) -> list[int]:
        """Return the rows in a bucket, with those that are to come, as far as it takes them in."""
        rows = [row for row in stored if row not in self._hidden] if self._hidden else stored
        added = self._added.get((band, value[band * self._width : (band + 1) * self._width])) if self._added else None
        return [*rows, *added[: max(0, self._store.limit - len(rows))]] if added else rows

    def _mapped(self, name: str, field: bytes) -> list[int]:
        """Return the rows in a map, as they are to be."""
        rows = self._maps[name][field]
        for put, row in self._changed.get((f"{self._base}:{name}", field), ()):
            rows = [one for one in rows if one != row] + [row] * put
        return rows

    def has(self, name: str, field: bytes, row: int) -> bool:
        """Whether a row stands in a map, as it rests."""
        return row in self._maps[name][field]

    def _sifted(self, hits: list[tuple[int, int, int]], keys: Keys, apart: int) -> I64:
        """Return the hits, int64[h, 4], that do not differ in too many one-bit MinHash values."""
        table = np.empty((len(hits), 4), np.int64)
        if not hits:
            return table
        table[:, :3] = hits
        marks = [self._marks[row] for _, _, row in hits]
        table[:, 3] = [ordinal for _, ordinal in marks]
        theirs: U8 = np.frombuffer(b"".join(bits for bits, _ in marks), np.uint8).reshape(-1, BITS)
        mine = keys.sketches.bits.view(np.uint8).reshape(-1, BITS)
        own = mine[np.searchsorted(keys.long, table[:, 0])]
        differ = np.unpackbits(own ^ theirs, axis=1).sum(axis=1, dtype=np.int64)
        near: I64 = table[differ <= apart]
        return near


class RedisState(BaseState[RedisStore]):
    """Bands of blocks and of pages, and the frequencies of terms; all rest in Redis.

    Args:
        store: the tables.
        settings: the settings of the index.
        schemes: how blocks and documents are sketched; sketches keep signatures.
    """

    def __init__(self, store: RedisStore, settings: Settings, schemes: tuple[Scheme, Scheme]) -> None:
        super().__init__(store, settings, schemes)
        store.limit = settings.bucket_limit
        self._bands = {kind: Bands(store.key(kind), scheme, store) for kind, scheme in self._schemes.items()}
        self._entered: set[int] = set()  # contents, in this transaction
        self.last_page = self._last_row = 0

    def refresh(self) -> None:
        """Forget what was found in the transaction before; inside a transaction."""
        for bands in self._bands.values():
            bands.clear()
        self._entered.clear()
        self.last_page, self._last_row = self._store.last()

    def reset(self) -> None:
        """Do nothing: ``refresh`` forgets everything, each time."""

    def expect(self, arrivals: Sequence[tuple[Page, str, str | None]]) -> None:
        """Ask for everything at once by which pages are found that are about to be judged: page, id, source."""
        wanted = {kind: self._wants(kind, [page for page, *_ in arrivals]) for kind in self._bands}
        names = [name for _, name, _ in arrivals if name]
        sources = ["" if source is None else source for _, _, source in arrivals]
        first = self._store.requests(names, sources)
        asked = [(kind, *self._bands[kind].requests(wants)) for kind, wants in wanted.items()]
        answers = iter(self._store.ask([*first, *(command for _, _, commands in asked for command in commands)]))
        self._store.take(names, sources, [next(answers) for _ in first])
        for kind, parts, _ in asked:
            for part in parts:
                self._bands[kind].take(part, next(answers))

    def _wants(self, kind: str, pages: Sequence[Page]) -> Wants:
        """Return by what pages, or their blocks, are found."""
        values, prints, families = [], [], []
        for page in pages:
            tokens, sketches = page.tokens, page.doc if kind == PAGES else page.sketches
            bounds, every = tokens.bounds, tokens.fingerprints
            if kind == PAGES:
                bounds, every = tokens.doc_bounds, tokens.doc_fingerprints
            values += self._values(kind, sketches.signed)
            prints += halves_of(every[np.diff(bounds) > 0, 0])
            families += halves_of(sketches.families[sketches.families != 0])
        return Wants(values, prints, families)

    def _values(self, kind: str, signed: U32 | None) -> list[bytes]:
        """Return the hash values of rows' bands."""
        return values_of(np.empty((0, 0), np.uint32) if signed is None else signed, self._schemes[kind])

    def find(self, kind: str, keys: Keys, apart: int) -> Hits:
        """Look rows up; at most ``apart`` one-bit MinHash values differ in those that share a band."""
        bands, families = self._bands[kind], keys.sketches.families
        values = self._values(kind, keys.sketches.signed)
        parts, commands = bands.requests(Wants(values, halves_of(keys.prints), halves_of(families[families != 0])))
        if parts:
            for part, answer in zip(parts, self._store.ask(commands), strict=True):
                bands.take(part, answer)
        return bands.find(values, keys, apart)

    def enter(self, kind: str, entries: list[Entry]) -> None:
        """Enter rows, in the order in which they may survive."""
        leading = self._signed(kind, [one for one in entries if one.keeper])
        for one in entries:
            self._enter(kind, one.row, one.print[:8] if one.fresh else None, leading.get(one.row), first=one.first)

    def enter_found(self, kind: str, rows: Sequence[int], near: Neighbours, roles: Roles) -> None:
        """Enter rows that were looked up just now, in the order in which they may survive."""
        keys = near.keys
        prints = halves_of(keys.prints)
        told = dict(zip(keys.long.tolist(), self._told(kind, keys.sketches), strict=True))
        for x, (row, fresh, keeper, first) in enumerate(zip(rows, *(flags.tolist() for flags in roles), strict=True)):
            self._enter(kind, row, prints[x] if fresh else None, told.get(x) if keeper else None, first=first)

    def _enter(self, kind: str, row: int, print_: bytes | None, told: Told | None, *, first: bool) -> None:
        """Enter a row: under a fingerprint, if there is one, under its bands, if they are told, and as a first one."""
        base = self._store.key(kind)
        if print_ is not None:
            self._store.order("put", f"{base}:prints", row, print_)
            if kind == BLOCKS:
                self._entered.add(row)
        if told is None:
            return
        ordinal = self._store.get("last_ordinal", 0) + 1
        self._store.set("last_ordinal", ordinal)
        mark = told.bits + ordinal.to_bytes(8, "little")
        self._store.order("list", base, row, told.values, 4 * self._schemes[kind].rows, mark)
        if first:
            self._store.order("put", f"{base}:families", row, told.family)

    def _signed(self, kind: str, entries: list[Entry]) -> dict[int, Told]:
        """Return by what rows of tokens enough are found."""
        least = self._settings.min_tokens if kind == BLOCKS else 1
        entries = [one for one in entries if one.tokens.size >= least]
        if not entries:
            return {}
        bounds = np.cumsum([0, *(one.tokens.size for one in entries)])
        joined = np.concatenate([one.tokens for one in entries])
        sketches = sketch_rows(joined, bounds, np.arange(len(entries)), self._schemes[kind])
        return dict(zip((one.row for one in entries), self._told(kind, sketches), strict=True))

    def _told(self, kind: str, sketches: Sketches) -> list[Told]:
        """Return by what rows are found."""
        bits = sketches.bits.tobytes()
        marks = [bits[at : at + BITS] for at in range(0, len(bits), BITS)]
        values = self._values(kind, sketches.signed)
        return [Told(*one) for one in zip(values, marks, halves_of(sketches.families), strict=True)]

    def is_fresh(self, row: int) -> bool:
        """Whether a content has not been entered."""
        return row > self._last_row and row not in self._entered

    def take_promotions(self) -> None:
        """Enter rows that became keepers after they were entered."""
        for kind, row in self._store.take_promoted():
            self.enter(kind, self._promoted_entries(kind, row))

    def count(self, counts: Counts, language: int) -> None:
        """Count the terms of a page."""
        terms = np.ones((counts.indices.size, 2), "<u4")
        terms[:, 0] = counts.indices
        self._store.count_document(language, terms.tobytes())

    def _documents(self, language: int) -> int:
        """Return how many documents of a language were counted."""
        return self._store.documents.get(language, 0)

    def _counted(self, language: int) -> DocumentFrequencies:
        """Return the frequencies of terms of a language, and how many documents each language has."""
        frequencies = DocumentFrequencies()
        for one, number in self._store.documents.items():
            frequencies.docs[one] = number
        frequencies.tables[language] = self._table(language)
        return frequencies

    def _table(self, language: int) -> U32:
        """Return how many documents have each term of a language: uint32[BUCKETS]."""
        stored = self._store.terms(language)
        table: U32 = np.zeros(BUCKETS, np.uint32)
        table[: len(stored) // 4] = np.frombuffer(stored, ">u4")
        key = self._store.key("terms", language)
        for what, of, _, terms, *_ in self._store.orders:
            if what == "count" and of == key:
                pairs = np.frombuffer(terms, "<u4").reshape(-1, 2)
                table[pairs[:, 0]] += pairs[:, 1]
        return table

    def is_long(self) -> bool:
        """Whether there is so much that is recent that it is to be folded: nothing is."""
        return False

    def fold(self) -> None:
        """Do nothing: all rests where it belongs."""

    def size(self) -> int:
        """Return the bytes that the tables do not count: none."""
        return 0

    def _entries(self) -> Iterator[tuple[str, list[Entry]]]:
        """Yield what all contents and pages are to be found by, some of a kind at a time."""
        last = 0
        while contents := self._store.contents_after(last, CHECKED):
            yield BLOCKS, [entry_of(one, fresh=True, keeper=True) for one in contents if one.print]
            last = contents[-1].row
        last = 0
        while pages := self._store.pages_after(last, CHECKED):
            leading = [one for one in pages if leads(one)]
            yield PAGES, [entry_of_page(one, self.tokens_of(one)) for one in leading]
            last = pages[-1].page

    def _missing(self, kind: str, entries: list[Entry]) -> list[Entry]:
        """Return those of some rows that are not found by all that they are to be found by."""
        bands, scheme = self._bands[kind], self._schemes[kind]
        leading = self._signed(kind, [one for one in entries if one.keeper])
        families = [leading[one.row].family for one in entries if one.first and one.row in leading]
        bands.clear()
        wants = Wants([], halves_of(np.array([first_half(one.print) for one in entries], np.uint64)), families)
        parts, commands = bands.requests(wants)
        listed = [word for row, told in leading.items() for word in (row, told.values)]
        width = 4 * scheme.rows
        commands.append(self._store.call(LISTED, self._store.key(kind), self._store.limit, width, *listed))
        *answers, gone = self._store.ask(commands)
        for part, answer in zip(parts, answers, strict=True):
            bands.take(part, answer)
        unlisted = {int(row) for row in gone}
        return [
            one for one in entries
            if one.row in unlisted or not bands.has("prints", one.print[:8], one.row)
            or (one.first and one.row in leading and not bands.has("families", leading[one.row].family, one.row))
        ]  # fmt: skip

    def complaints(self) -> list[str]:
        """Say which rows are not found by all that they are to be found by."""
        found = [
            f"{'content' if kind == BLOCKS else 'page'} {one.row} is not found by all of its keys: make them again"
            for kind, entries in self._entries()
            for one in self._missing(kind, entries)
        ]
        self.refresh()
        return found

    def make_again(self) -> None:
        """Enter again what is missing under bands, take out what is gone, and count terms anew. While writing."""
        for kind, entries in self._entries():
            before = len(self._store.orders)
            self.enter(kind, self._missing(kind, entries))
            self._write(before)
        for kind, after in ((BLOCKS, self._store.contents), (PAGES, self._store.pages)):
            for rows in self._store.scan(f"{self._store.key(kind)}_keys"):
                numbers = {int(row) for row in rows if row.isdigit()}
                before = len(self._store.orders)
                for row in sorted(numbers - after(numbers).keys()):
                    self._store.order("unlist", self._store.key(kind), row)
                self._write(before)
        self._recount()
        self._weights.clear()

    def _write(self, before: int) -> None:
        """Do at once what was ordered since there were so many orders."""
        if len(self._store.orders) > before:
            self._store.write_orders(before)

    def _recount(self) -> None:
        """Count the terms of all pages anew."""
        frequencies, last = DocumentFrequencies(), 0
        documents: dict[int, int] = {}
        while pages := self._store.pages_after(last, CHECKED):
            for page in pages:
                if leads(page) and page.language is not None:
                    language = np.array([page.language], np.int32)
                    counts = count_terms_in(self.tokens_of(page), page.language)
                    frequencies.add(counts, language, np.zeros(1, np.int64))
                    documents[page.language] = documents.get(page.language, 0) + 1
            last = pages[-1].page
        tables = {language: table.astype(">u4").tobytes() for language, table in frequencies.tables.items()}
        self._store.set_terms(documents, tables)
