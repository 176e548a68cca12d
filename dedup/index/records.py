"""What an index keeps of pages and of contents of blocks: the records of every kind of store, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64, U64, Bool
from dedup.errors import Corrupt
from dedup.frequencies import Counts, count_terms_of
from dedup.kernels.tables import FREE
from dedup.schema import Blocks, Reason
from dedup.sketch import Tokens

LATEST = 1 << 62  # after anything
ASKED = 500  # rows that are asked for at once
BLOCKS, PAGES = "blocks", "pages"  # kinds of rows
NO_TOKENS: U64 = np.empty(0, np.uint64)
NO_PART = (bytes(16), NO_TOKENS)


class Content(NamedTuple):
    """A distinct content of blocks.

    Attributes:
        row: its number.
        print: its fingerprint, 16 bytes.
        family: equal and not 0 where contents differ in numbers only.
        page: where it stands first among blocks that are matched, None for none; ``position``, which block there.
        position: see ``page``.
        keeper: the content it stands for, None where no block with it is matched.
        similarity: Jaccard similarity to the keeper, or else to the variant.
        variant: first keeper of its family, where it keeps itself beside it.
        tokens: uint64, as bytes.
    """

    row: int
    print: bytes
    family: int
    page: int | None
    position: int | None
    keeper: int | None
    similarity: float | None
    variant: int | None
    tokens: bytes


class Known(NamedTuple):
    """A page.

    Attributes:
        page: its number, in the order of arrival.
        id: what it is called.
        source: where it comes from, None where that is not known.
        seen: when, in seconds since 1970.
        print: fingerprint of its tokens, empty where it has none.
        family: see ``Content``.
        reason: why it goes, or what was found out about it: a code of ``Reason``.
        twin: the first page with the same tokens, None for itself.
        keeper: the page it stands for, None for itself; of a page that goes because another contains it, that one.
        similarity: Jaccard similarity to the keeper, or else to the variant, or the share that is contained.
        variant: first keeper of its family, where it keeps itself beside it.
        language: a number of ``dedup.background``, None where it was not looked for.
        contents: its blocks' contents, see ``pack``.
    """

    page: int
    id: str
    source: str | None
    seen: int
    print: bytes
    family: int
    reason: int
    twin: int | None
    keeper: int | None
    similarity: float | None
    variant: int | None
    language: int | None
    contents: bytes


class Source(NamedTuple):
    """What is known of the pages of a source.

    Attributes:
        pages: how many were added that stayed.
        due: with how many it is to be learnt again.
        cut: a page is kept to learn from if the first half of its fingerprint is below, as ``signed``; None for any.
        learnt: number of what was learnt of them, None for nothing yet.
    """

    pages: int
    due: int
    cut: int | None
    learnt: int | None


NOTHING_KNOWN = Source(0, 0, None, None)


class Entry(NamedTuple):
    """A row to enter.

    Attributes:
        row: its number.
        tokens: uint64, its tokens.
        print: its fingerprint, 16 bytes.
        fresh: whether it is to be found by its fingerprint from now on.
        keeper: whether it is to be found by its bands.
        first: whether it is the first keeper of its family.
    """

    row: int
    tokens: U64
    print: bytes
    fresh: bool
    keeper: bool
    first: bool


class Roles(NamedTuple):
    """What rows are to be found by, see ``Entry``: bool[n] each."""

    fresh: Bool
    keeper: Bool
    first: Bool


def pack(contents: Iterable[int | None], matched: Iterable[bool]) -> bytes:
    """Put the contents of a page's blocks into bytes, None for none, and which of the blocks were matched."""
    rows = np.array([-1 if row is None else row for row in contents], np.int64)
    kind = np.int32 if rows.max(initial=0) < 1 << 31 else np.int64
    flags = np.packbits(np.fromiter(matched, np.bool_, rows.size))
    return np.dtype(kind).itemsize.to_bytes(1, "little") + rows.astype(kind).tobytes() + flags.tobytes()


def unpack(data: bytes) -> tuple[I64, Bool]:
    """Return what ``pack`` was given: int64[n], -1 for none; bool[n].

    Raises:
        Corrupt: it is damaged.
    """
    size = data[0] if data else 0
    if size not in {4, 8}:
        raise Corrupt("a page's contents cannot be read: dedup index verify --repair")
    n = 8 * (len(data) - 1) // (8 * size + 1)
    rows = np.frombuffer(data, f"<i{size}", n, 1).astype(np.int64)
    return rows, np.unpackbits(np.frombuffer(data, np.uint8, offset=1 + n * size), count=n).astype(np.bool_)


def entry_of(content: Content, *, fresh: bool, keeper: bool) -> Entry:
    """Return what to enter of a content; ``keeper`` tells whether it is one if it stands for itself."""
    keeper = keeper and content.keeper == content.row
    first = keeper and content.family != 0 and content.variant is None
    return Entry(content.row, tokens_in(content), content.print, fresh, keeper, first)


def tokens_in(content: Content) -> U64:
    """Return the tokens of a content: uint64[t]."""
    return np.frombuffer(content.tokens, np.uint64)


def entry_of_page(page: Known, parts: Sequence[U64]) -> Entry:
    """Return what to enter of a page; ``parts`` are the tokens of its blocks."""
    keeper = page.keeper is None
    tokens = np.concatenate([NO_TOKENS, *parts]) if keeper else NO_TOKENS
    first = keeper and page.family != 0 and page.variant is None
    return Entry(page.page, tokens, page.print, fresh=True, keeper=keeper, first=first)


def count_terms_in(parts: Sequence[U64], language: int) -> Counts:
    """Count the terms of a page; ``parts`` are the tokens of its blocks."""
    bounds = np.cumsum([0, *(part.size for part in parts)])
    nothing, each = np.empty((0, 2), np.uint64), np.zeros(len(parts), np.int64)
    tokens = Tokens(np.concatenate([NO_TOKENS, *parts]), bounds, nothing, bounds[[0, -1]], nothing)
    blocks = Blocks(np.array([0, each.size]), each, each, each.astype(np.uint8))
    return count_terms_of(tokens, blocks, np.array([language], np.int32))


def rows_of(packed: bytes) -> set[int]:
    """Return the distinct contents of a page, see ``unpack``."""
    return set(unpack(packed)[0].tolist()) - {FREE}


def leads(page: Known) -> bool:
    """Whether others find a page by its tokens: it is the first with them, and does not go for what it says itself."""
    contained = page.reason == Reason.CONTAINED_DOCUMENT and page.keeper is not None
    low = page.reason == Reason.LOW_SUBSTANCE_DOCUMENT
    return bool(page.print) and page.twin is None and not contained and not low


def label_of(content: Content) -> int:
    """Return the content that one stands for, or itself where that is not decided."""
    return content.row if content.keeper is None else content.keeper


def first_half(print_: bytes) -> int:
    """Return the first 64 bits of a fingerprint."""
    return int.from_bytes(print_[:8], "little")


def signed(value: int) -> int:
    """Return 64 bits as SQLite holds them."""
    return value - (1 << 64) if value >= 1 << 63 else value


def unsigned(value: int) -> int:
    """Return 64 bits as ``signed`` was given them."""
    return value % (1 << 64)
