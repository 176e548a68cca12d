"""A Parquet file in; its bytes out, but for a page that would take more memory than a page may."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import BinaryIO

from dedup.errors import InputError
from dedup.formats.base import LONGEST

FOLD = 64  # bytes that a byte of a page may unfold to, where they are more than LONGEST
FIRST, LARGEST = 1 << 10, 1 << 24  # bytes of a page's header: those looked at first, and most that Arrow takes
DEEPEST = 32  # levels of nesting in a header
FOOTER_END = 8  # bytes behind the footer: its length, and the mark of Parquet
MOST_ELEMENTS = 1_000_000  # of a list in the footer, as Arrow has it
FEWEST_ELEMENTS, ELEMENT = 1000, 8  # of which so many may always be there, and the others take so many bytes at least
# Types of Thrift's compact protocol.
STOP, TRUE, FALSE, BYTE, I16, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12
UNFOLDED, STORED = 2, 3  # fields of a page's header
GROUPS, COLUMNS, METADATA, DATA, DICTIONARY = 4, 1, 3, 9, 11  # of a footer, row groups, columns, their metadata
Reader = Callable[[bytes, int, int], int]  # reads a value, given where it begins and its type; returns where it ends


class GuardedFile:
    """A Parquet file for Arrow to read; once it is guarded, headers of pages are looked at before Arrow does so.

    Arrow makes room for what a header tells before it looks whether that is there, and lets a page unfold to anything.
    It reads the pages of a column one behind the other: what it reads elsewhere than where it stopped begins with one.

    Args:
        file: the file, which can be read from anywhere.
        path: what to call it in messages.

    Attributes:
        columns: where columns of row groups begin, by ``find_columns``; None as long as nothing is guarded.
    """

    closed = False

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.columns: frozenset[int] | None = None
        self._file = file
        self._path = path
        self._size = file.seek(0, os.SEEK_END)
        self._at = 0
        self._taken = 0, b""  # what was read last, and where that stands
        self._pages: dict[int, set[int]] = {}  # where a column was read to, and where its next page begins

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return where the next bytes are read."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; fewer at the end.

        Raises:
            InputError: a page begins among them that takes more memory than it may.
        """
        left = self._size - self._at
        data = self._read(self._at, max(0, left if size < 0 else min(size, left)))
        self._taken = self._at, data
        if self.columns is not None and data:
            self._look(self._at, self._at + len(data), self.columns)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Leave it to the owner."""

    def _read(self, at: int, size: int) -> bytes:
        """Return bytes from somewhere."""
        start, taken = self._taken
        if start <= at and at + size <= start + len(taken):
            return taken[at - start : at - start + size]
        self._file.seek(at)
        return self._file.read(size)

    def _length(self) -> int:
        """Return how long the footer is."""
        end = self._read(max(0, self._size - FOOTER_END), FOOTER_END)
        return min(max(0, self._size - FOOTER_END), int.from_bytes(end[:4], "little"))

    def footer(self) -> bytes:
        """Return the footer."""
        length = self._length()
        return self._read(max(0, self._size - FOOTER_END - length), length)

    def most_elements(self) -> int:
        """Return how many elements a list in the footer may have, for each of which Arrow makes room at once."""
        return min(MOST_ELEMENTS, FEWEST_ELEMENTS + self._length() // ELEMENT)

    def _look(self, start: int, end: int, columns: frozenset[int]) -> None:
        """Look at the pages that begin in a part of the file that is read."""
        pages = self._pages.pop(start, set())
        if not pages or start in columns:  # the column before may tell of a page that goes on there
            pages.add(start)
        left = set()
        for first in pages:
            page: int | None = first
            while page is not None and page < end:
                page = self._after(page)
            if page is not None:
                left.add(page)
        self._pages[end] = left

    def _after(self, page: int) -> int | None:
        """Return where the page after another begins; None where no header can be read, of which Arrow will tell."""
        size = FIRST
        while True:
            data = self._read(page, size)
            try:
                length, unfolded, stored = read_header(data)
                break
            except IndexError:
                if len(data) < size or size >= LARGEST:
                    return None
                size *= 4
            except ValueError:
                return None
        if stored < 0 or page + length + stored > self._size:
            raise InputError(f"the Parquet file is damaged: a page at byte {page} goes beyond its end", self._path)
        if unfolded > max(LONGEST, FOLD * stored):
            raise InputError(
                f"a page of the Parquet file, at byte {page}, unfolds from {stored:,} bytes to {unfolded:,}, more "
                "than is taken: write it anew with smaller pages",
                self._path,
            )
        return page + length + stored


def read_header(data: bytes) -> tuple[int, int, int]:
    """Read the header of a page: how long it is, how long the page is unfolded, and as it is stored.

    Raises:
        IndexError: it does not end here.
        ValueError: it is none.
    """
    sizes: dict[int, int] = {}
    end = walk(data, 0, {field: keep(sizes, field) for field in (UNFOLDED, STORED)})
    if len(sizes) < 2 or min(sizes.values()) < 0:  # noqa: PLR2004 - both
        raise ValueError("no header of a page")
    return end, sizes[UNFOLDED], sizes[STORED]


def find_columns(footer: bytes) -> frozenset[int]:
    """Return where columns of row groups begin; of nonsense what can be read."""
    starts: set[int] = set()

    def metadata(data: bytes, at: int, _: int) -> int:
        places: dict[int, int] = {}
        end = walk(data, at, {field: keep(places, field) for field in (DATA, DICTIONARY)})
        starts.update(places.values())
        return end

    def column(data: bytes, at: int, _: int) -> int:
        return walk(data, at, {METADATA: metadata})

    def group(data: bytes, at: int, _: int) -> int:
        return walk(data, at, {COLUMNS: each(column)})

    with contextlib.suppress(IndexError, ValueError):
        walk(footer, 0, {GROUPS: each(group)})
    return frozenset(starts)


def keep(found: dict[int, int], field: int) -> Reader:
    """Return what reads a field that is a number."""

    def read(data: bytes, at: int, kind: int) -> int:
        if not I16 <= kind <= I64:
            raise ValueError("no number")
        number, at = read_number(data, at)
        found[field] = number >> 1 ^ -(number & 1)
        return at

    return read


def each(read: Reader) -> Reader:
    """Return what reads a list of structs."""

    def read_all(data: bytes, at: int, kind: int) -> int:
        if kind != LIST or data[at] & 15 != STRUCT:
            raise ValueError("no list of structs")
        count, at = data[at] >> 4, at + 1
        if count == 15:  # noqa: PLR2004 - four bits
            count, at = read_number(data, at)
        for _ in range(count):
            at = read(data, at, STRUCT)
        return at

    return read_all


def walk(data: bytes, at: int, readers: Mapping[int, Reader], depth: int = 0) -> int:
    """Return where a struct ends; some of its fields are read.

    Raises:
        IndexError: it does not end here.
        ValueError: it is nonsense.
    """
    field = 0
    while (byte := data[at]) & 15 != STOP:
        at += 1
        field += byte >> 4
        if not byte >> 4:
            number, at = read_number(data, at)
            field = number >> 1 ^ -(number & 1)
        at = readers[field](data, at, byte & 15) if field in readers else skip(data, at, byte & 15, depth)
    return at + 1


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number, and return where it ends.

    Raises:
        IndexError: it does not end here.
        ValueError: it is longer than numbers are.
    """
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return number, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - bits
            raise ValueError("a number is too long")


def skip(data: bytes, at: int, kind: int, depth: int) -> int:
    """Return where a value of some type ends.

    Raises:
        IndexError: it does not end here.
        ValueError: it is of no type, or nested too deeply.
    """
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if kind in {TRUE, FALSE}:
        return at
    if I16 <= kind <= I64:
        return read_number(data, at)[1]
    if kind == BINARY:
        length, at = read_number(data, at)
        return at + length
    if kind in {BYTE, DOUBLE}:
        return at + (1 if kind == BYTE else 8)
    if kind in {LIST, SET, MAP}:
        return skip_elements(data, at, kind, depth)
    if kind != STRUCT:
        raise ValueError(f"{kind} is no type")
    return walk(data, at, {}, depth + 1)


def skip_elements(data: bytes, at: int, kind: int, depth: int) -> int:
    """Return where a list, a set or a map ends; see ``skip``."""
    if kind == MAP:
        count, at = read_number(data, at)
        kinds = [data[at] >> 4, data[at] & 15] if count else []
        at += bool(count)
    else:
        count, kinds = data[at] >> 4, [data[at] & 15]
        at += 1
        if count == 15:  # noqa: PLR2004 - four bits
            count, at = read_number(data, at)
    for _ in range(count):
        for one in kinds:
            at = at + 1 if one in {TRUE, FALSE} else skip(data, at, one, depth + 1)
        if at > len(data):
            raise IndexError
    return at
