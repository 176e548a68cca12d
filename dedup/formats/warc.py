"""WARC and WET files in; the main text of pages, and texts that others extracted, out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dedup.errors import MissingExtra
from dedup.formats.base import LONGEST, Chunk, opened, printable, size_of, stamp_of, told
from dedup.formats.compression import open_stream
from dedup.formats.extracted import EFFORT, Extract, Extracted, Raw
from dedup.formats.html import LONGEST_PAGE, host_of, need_extractor
from dedup.formats.records import CUT_OFF, MOST_HEADER, NO_END, Record, RecordReader
from dedup.formats.response import read_response
from dedup.urls import name_of

SHOWN = 1 << 12  # bytes of a record's header that a reject is shown with
TYPE = re.compile(rb"^warc-type[ \t]*:[ \t]*(response|conversion)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Warc(Extracted):
    """A file of WARC records, compressed or not: responses that are pages, and conversions.

    Args:
        path: the file; ``-`` for standard input.
        file: number of the input.

    Raises:
        MissingExtra: the libraries are not installed.
    """

    def __init__(self, path: str, file: int) -> None:
        try:
            import fastwarc  # noqa: F401
        except ImportError as error:
            raise MissingExtra("WARC", "warc") from error
        need_extractor("warc")
        self._path = path
        name = "stdin.warc" if path == "-" else name_of(path)
        super().__init__(told(path), f"{name}.jsonl", file, self._read, self._show)
        self.size = size_of(path)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of records that are wanted."""
        with opened(self._path) as file:
            stream, _ = open_stream(file)
            raw, held, first, number = Raw(), 0, 1, 0
            for record in RecordReader(stream, most_of):
                number = record.number
                if stream.damage and record.error in {CUT_OFF, NO_END}:
                    break  # the damage tells of it
                raw.records.append((number, record))
                held += len(record.header) + len(record.body) * (EFFORT if is_response(record) else 1)
                if held >= size:
                    yield Chunk(self._file, first, number - first + 1, raw, stream.consumed)
                    raw, held, first = Raw(), 0, number + 1
            if raw.records:
                yield Chunk(self._file, first, number - first + 1, raw, stream.consumed)
            if stream.damage:
                yield Chunk(self._file, max(1, number), 1, b"", stream.consumed, stream.damage)

    def stamp(self) -> str | None:
        """Return what changes when the file does."""
        return stamp_of(self._path)

    def _read(self, number: int, record: Record) -> Extract | None:
        """Extract from a record; None where it holds no page or text.

        Raises:
            ValueError: it should, and cannot be used.
        """
        if record.error is not None:
            raise ValueError(record.error)
        fields = fields_of(record.header)
        uri = fields.get("warc-target-uri", "").strip("<> ")
        name = uri or fields.get("warc-record-id") or f"{printable(self.name)}:{number}"
        date = fields.get("warc-date")
        if is_response(record):
            if not fields.get("content-type", "application/http").lower().startswith("application/http"):
                return None
            page = read_response(record.body, record.length)
            return page and Extract(name, page.text, host_of(uri), date, page.title)
        if not fields.get("content-type", "text/plain").startswith("text/"):
            return None
        if record.length > len(record.body):
            raise ValueError(f"the text is longer than {LONGEST >> 20} MB")
        try:
            return Extract(name, record.body.decode(), host_of(uri), date, None)
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 at byte {error.start} of the record") from error

    def _show(self, record: Record) -> tuple[str, bytes]:
        """Return the file of a record, and its header."""
        return self.path, record.header[:SHOWN]


def most_of(header: bytes) -> int | None:
    """Return how many bytes of a record are to be kept, None where it is not wanted."""
    kind = TYPE.search(header)
    if kind is None:
        return None
    return LONGEST if kind[1].lower() == b"conversion" else LONGEST_PAGE + MOST_HEADER


def is_response(record: Record) -> bool:
    """Whether a record holds what a server answered."""
    kind = TYPE.search(record.header)
    return kind is not None and kind[1].lower() == b"response"


def fields_of(header: bytes) -> dict[str, str]:
    """Return the fields of a header, names in lower case; the first of those of one name."""
    fields: dict[str, str] = {}
    for line in header.decode(errors="backslashreplace").split("\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields
