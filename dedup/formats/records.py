"""A stream of WARC records in; those that are wanted, and what is broken, out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dedup.formats.compression import Decompressed

MOST_HEADER = 1 << 16  # bytes
STEP = 1 << 16  # bytes that are read at a time, and kept of a record that is too long
BEGINNING = b"WARC/"
NEXT = re.compile(rb"\nWARC/[01]\.")  # where reading goes on after something broken,
MARK = 7  # bytes of that without the last
END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
NEWLINES = b"\r\n\r\n"  # behind a record
ENDS = (b"\r\n\r\n", b"\n\n")
CUT_OFF = "the record is cut off"
NO_END = "the header of the record does not end"


class Record(NamedTuple):
    """A record.

    Attributes:
        number: 1-based, of all in the file, broken ones and those of other types among them.
        header: its lines; bytes that are no record at all, where ``error`` says so.
        body: what it holds, as far as that was kept.
        length: bytes it holds in all.
        error: what is wrong with it, None where nothing is.
    """

    number: int
    header: bytes
    body: bytes
    length: int
    error: str | None


class RecordReader:
    """Reads records one after the other; after something broken it goes on where a record begins.

    Args:
        stream: the bytes.
        keep: how many bytes of a record with this header are to be kept at most; None where it is not wanted.
    """

    def __init__(self, stream: Decompressed, keep: Callable[[bytes], int | None]) -> None:
        self._stream = stream
        self._keep = keep
        self._buffer = b""
        self._at = 0

    def __iter__(self) -> Iterator[Record]:
        """Yield records that are wanted or broken."""
        number = 0
        while self._skip_newlines():
            number += 1
            record = self._read(number)
            if record is not None:
                yield record

    def _have(self, count: int) -> int:
        """Have so many bytes at hand, or all that are left; return how many there are."""
        there = len(self._buffer) - self._at
        if there < count:
            more = self._stream.read(max(STEP, count - there))
            self._buffer, self._at = self._buffer[self._at :] + more, 0
        return len(self._buffer) - self._at

    def _skip_newlines(self) -> bool:
        """Skip what ends a record; return whether there is more."""
        while self._have(1):
            if self._buffer[self._at] not in NEWLINES:
                return True
            self._at += 1
        return False

    def _read(self, number: int) -> Record | None:
        """Read a record; None where it is not wanted."""
        header, length, error = self._read_header()
        if error is not None:
            return self._broken(number, header, error)
        keep = self._keep(header)
        if keep is None or length > keep:
            body, left = self._pass(length, 0 if keep is None else min(keep, STEP))
            if left:
                return Record(number, header, b"", length, CUT_OFF)
            return None if keep is None else Record(number, header, body, length, None)
        after = self._have(length + len(NEWLINES) + len(BEGINNING)) - length
        body = self._buffer[self._at : self._at + length]
        if after < 0:
            self._at = len(self._buffer)
            return Record(number, header, b"", length, CUT_OFF)
        behind = self._buffer[self._at + length : self._at + length + after]
        if not behind.startswith(ENDS) and not BEGINNING.startswith(behind.lstrip(NEWLINES)[: len(BEGINNING)]):
            return self._broken(number, header, "the record is not as long as it tells")
        self._at += length
        return Record(number, header, body, length, None)

    def _read_header(self) -> tuple[bytes, int, str | None]:
        """Read a header: its bytes, the length of what follows, and what is wrong with it."""
        there = self._have(len(BEGINNING))
        if not self._buffer.startswith(BEGINNING[:there], self._at):
            return self._buffer[self._at : self._at + STEP], 0, "no WARC record begins here"
        end = END_OF_HEADER.search(self._buffer, self._at, self._at + MOST_HEADER)
        if end is None:
            self._have(MOST_HEADER)
            end = END_OF_HEADER.search(self._buffer, self._at, self._at + MOST_HEADER)
        if end is None:
            return self._buffer[self._at : self._at + STEP], 0, NO_END
        header = self._buffer[self._at : end.start()]
        self._at = end.end()
        length = LENGTH.search(header)
        return header, int(length[1]) if length else 0, None if length else "the record does not tell its length"

    def _pass(self, length: int, keep: int) -> tuple[bytes, int]:
        """Read over bytes; return the first of them, and how many were not there."""
        kept = b""
        while length and (there := min(self._have(1), length)):
            if len(kept) < keep:
                kept += self._buffer[self._at : self._at + min(there, keep - len(kept))]
            self._at += there
            length -= there
        return kept, length

    def _broken(self, number: int, shown: bytes, error: str) -> Record:
        """Go on where the next record begins."""
        while (found := NEXT.search(self._buffer, self._at)) is None:
            # what a record begins with may be cut in two
            self._at = max(self._at, len(self._buffer) - MARK)
            there = len(self._buffer) - self._at
            if self._have(there + 1) == there:
                break
        self._at = len(self._buffer) if found is None else found.start() + 1
        return Record(number, shown, b"", 0, error)
