"""What an index asks of the place where it rests: of a store pages and contents, of holdings who is alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from dedup.arrays import U64
from dedup.errors import Locked
from dedup.frequencies import Counts, Weights
from dedup.index.arrivals import Keys, Neighbours
from dedup.index.pages import Page
from dedup.index.postings import Hits
from dedup.index.records import Content, Entry, Known, Roles, Source


class Overtaken(Locked):
    """Another process has written in between: nothing was written, and the same can be tried again."""


class Store(Protocol):
    """Tables of pages and of contents of blocks; see ``dedup.index.sqlite.SQLiteStore`` for what each method does."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the right to write until all of it is written, or nothing."""

    def reading(self) -> AbstractContextManager[None]:
        """See everything as it is now until the end."""

    def close(self) -> None:
        """Close it."""

    def is_new(self) -> bool:
        """Whether nothing was written yet."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value by its name."""

    def set(self, name: str, value: Any) -> None:
        """Keep a value under a name."""

    def contents(self, rows: Iterable[int]) -> dict[int, Content]:
        """Return contents by number; those that are gone are left out."""

    def pages(self, numbers: Iterable[int]) -> dict[int, Known]:
        """Return pages by number; those that are gone are left out."""

    def page_called(self, name: str) -> Known | None:
        """Return the page with an id."""

    def pages_after(self, number: int, count: int = ...) -> list[Known]:
        """Return pages that arrived after another, so many at the most, in the order of arrival."""

    def last(self) -> tuple[int, int]:
        """Return the highest numbers that pages and contents have had."""

    def add_page(self, page: Known, looks: bytes | None) -> None:
        """Add a page."""

    def add_contents(self, contents: Sequence[Content]) -> None:
        """Add contents."""

    def decide_contents(self, decided: Iterable[Content]) -> None:
        """Write what was decided on contents that were there."""

    def add_holders(self, page: int, labels: Iterable[int]) -> None:
        """Note which labels a page has."""

    def holders(self, labels: Iterable[int], before: int, most: int) -> dict[int, list[int]]:
        """Return for each label pages with it that arrived before another, so many at the most."""

    def holders_from(self, label: int, page: int, most: int) -> list[int]:
        """Return the pages with a label from a number on, ascending, so many at the most."""

    def holds(self, page: int, choices: Sequence[Iterable[int]]) -> bool:
        """Whether it is noted that a page has one label of each of these."""

    def clear_holders(self) -> None:
        """Forget which labels pages have."""

    def drop_holders(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Forget that pages have labels: (label, page)."""

    def members(self, keeper: int) -> list[Content]:
        """Return the contents that stand for another, in the order in which they came."""

    def copies(self, page: int) -> list[Known]:
        """Return the pages that stand for another, in the order of arrival."""

    def drop_page(self, page: int) -> None:
        """Delete a page; its number is not given again."""

    def drop_contents(self, rows: Iterable[int]) -> None:
        """Delete contents; their numbers are not given again."""

    def decide_page(self, page: Known) -> None:
        """Write what was decided on a page that is there."""

    def replace_page(self, page: Known, looks: bytes | None) -> None:
        """Write a page anew under its number."""

    def looks_of(self, page: int) -> bytes | None:
        """Return what a page is learnt from, None where it is not kept for that."""

    def seen_before(self, time: int, count: int) -> list[int]:
        """Return pages that were last seen before a time, in seconds since 1970; so many at the most."""

    def touch(self, page: int, seen: int) -> None:
        """Note that a page was seen again."""

    def source(self, name: str) -> Source:
        """Return what is known of a source."""

    def sources(self) -> Iterator[str]:
        """Yield the names of all sources of which something is known."""

    def set_source(self, name: str, known: Source) -> None:
        """Write what ``source`` returns."""

    def learnt(self, number: int) -> bytes | None:
        """Return what was learnt of a source."""

    def set_learnt(self, old: int | None, furniture: bytes) -> int:
        """Keep what was learnt of a source for what was learnt before; return its number, which is new."""

    def sample(self, name: str | None) -> list[tuple[int, bytes, bytes, bytes]]:
        """Return the pages of a source that are kept to learn from: number, fingerprint, contents, looks."""

    def forget_looks(self, pages: Iterable[int]) -> None:
        """Keep pages no longer to learn from."""

    def promote(self, kind: str, row: int) -> None:
        """Note that a row is a keeper from now on."""

    def count(self, table: str) -> int:
        """Return how many rows a table has."""

    def content_rows(self) -> Iterator[int]:
        """Yield the numbers of all contents."""

    def contents_after(self, row: int, count: int = ...) -> list[Content]:
        """Return contents of higher numbers, so many at the most, ascending."""

    def complaints(self) -> list[str]:
        """Return what the store itself finds wrong."""

    def index_again(self) -> None:
        """Make again by what the store itself finds things."""

    def shrink(self) -> None:
        """Give the room of what was deleted back."""

    def size(self) -> int:
        """Return how many bytes it takes."""


class Holdings(Protocol):
    """Who shares keys with whom, and how frequent terms are; see ``dedup.index.state.State``."""

    last_page: int

    def bands(self, kind: str) -> int:
        """Return how many bands a kind of rows has."""

    def expect(self, arrivals: Sequence[tuple[Page, str, str | None]]) -> None:
        """Prepare for pages that are about to be judged: page, id, source."""

    def find(self, kind: str, keys: Keys, apart: int) -> Hits:
        """Look rows up; at most ``apart`` one-bit MinHash values differ in those that share a band."""

    def enter(self, kind: str, entries: list[Entry]) -> None:
        """Enter rows, in the order in which they may survive."""

    def enter_found(self, kind: str, rows: Sequence[int], near: Neighbours, roles: Roles) -> None:
        """Enter rows that were looked up just now, in the order in which they may survive."""

    def is_fresh(self, row: int) -> bool:
        """Whether a content has not been entered."""

    def take_promotions(self) -> None:
        """Enter rows that became keepers after they were entered."""

    def tokens_of(self, page: Known) -> list[U64]:
        """Return the tokens of each block of a page: uint64[t] each."""

    def count(self, counts: Counts, language: int) -> None:
        """Count the terms of a page."""

    def weights(self, language: int) -> Weights:
        """Return the logarithms that terms of a language are weighed by."""

    def refresh(self) -> None:
        """Take in what others have added since; inside a transaction."""

    def reset(self) -> None:
        """Forget everything; the next ``refresh`` takes in what rests."""

    def is_long(self) -> bool:
        """Whether there is so much that is recent that it is to be folded."""

    def fold(self) -> None:
        """Bring what is recent to where it rests."""

    def make_again(self) -> None:
        """Make what can be made again of the pages. While writing."""

    def complaints(self) -> list[str]:
        """Return what is wrong, in sentences, and can be made again."""

    def size(self) -> int:
        """Return how many bytes it takes."""
