"""CSV, TSV and their like in, plain or compressed; what is not cut stays byte for byte.

The first line names the fields. Records are as Python's ``csv`` module takes them, see ``dedup.kernels.delimited``; but
where a quotation mark is never closed, the record is set aside, and reading goes on at the next line that is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dedup.arrays import I64, U8, Bool
from dedup.errors import InputError
from dedup.formats.base import LONGEST, Chunk, Cut, Edited, Parsed, opened, pack
from dedup.formats.bytefile import BOM, HEAD, ByteFile
from dedup.formats.compression import Decompressed
from dedup.formats.dialect import (
    Header,
    complaint_of_bytes,
    find_columns,
    find_separator,
    read_names,
)
from dedup.formats.editing import Editor
from dedup.formats.objects import Origin, is_utf8, string_column, with_names
from dedup.kernels.delimited import (
    ABSENT,
    DONE,
    IN_QUOTES,
    LINE,
    MODE,
    OPENED,
    PLAIN,
    QUOTED,
    STATES,
    decode_fields,
    find_fields,
    find_fresh_row,
    find_rows,
)
from dedup.kernels.lines import CR, LF
from dedup.kernels.masks import STRIDE
from dedup.schema import Documents, Reject
from dedup.settings import Settings

MARK = b'"'
MOST_OPEN = 16  # quotation marks that are never closed, in a file; each costs a second look at LONGEST bytes


class Rows(NamedTuple):
    """Records.

    Attributes:
        data: bytes of the file; what stands before the first record is the header, or nothing.
        bounds: int64[n + 1], where each record begins, its line end included.
        lines: int64[n], the line of the file in which each begins.
        header: of the file, None where it was not yet read.
    """

    data: bytes
    bounds: I64
    lines: I64
    header: Header | None

    def blank(self) -> Bool:
        """Return bool[n], which records are empty lines."""
        first = np.frombuffer(self.data, np.uint8)[self.bounds[:-1]]
        found: Bool = (first == LF) | (first == CR)
        return found

    def raws(self) -> Iterator[bytes]:
        """Yield the bytes of each."""
        for start, end in itertools.pairwise(self.bounds.tolist()):
            yield self.data[start:end]


class Delimited(ByteFile):
    """A file of delimited text.

    Attributes:
        tabs: whether tabs part its fields, where there are any in the first line.
    """

    stdin_name = "stdin.csv"
    tabs = False

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read runs of whole records.

        Raises:
            InputError: the header is no UTF-8, or a record has no end.
        """
        with opened(self._path) as file:
            stream = self._stream(file)
            head = stream.peek(HEAD)
            separator = find_separator(head, whole=len(head) < HEAD, tabs=self.tabs)
            reader = RowReader(stream, ord(separator), self.path)
            for rows, damage in reader.rows(size):
                line = int(rows.lines[0]) if rows.lines.size else reader.line
                yield Chunk(self._file, line, rows.lines.size, rows, stream.consumed, damage)

    def parse(self, chunk: Chunk, settings: Settings) -> Parsed:
        """Read the records of a chunk."""
        rows: Rows = chunk.data
        if chunk.damage:
            return Parsed(pack([], [], [], []), [Reject(self._file, chunk.line, self.path, chunk.damage, rows.data)])
        if rows.header is None:
            return Parsed(pack([], [], [], []), [])
        columns = find_columns(rows.header, settings, self.path)
        data = np.frombuffer(rows.data, np.uint8)
        spans, kinds = fields_of(data, rows.bounds[:-1], rows.bounds[1:], columns, rows.header.separator)
        bad, blank = kinds[0] == ABSENT, rows.blank()
        if b"\0" in rows.data or not is_utf8(rows.data):
            bad |= np.array([complaint_of_bytes(raw) is not None for raw in rows.raws()], np.bool_)
        rejects = [self._reject(rows, k, columns, settings) for k in np.flatnonzero(bad & ~blank).tolist()]
        good = np.flatnonzero(~bad & ~blank)
        if good.size < rows.lines.size:
            spans, kinds = np.ascontiguousarray(spans[:, good]), np.ascontiguousarray(kinds[:, good])
        (texts, bounds), *others = (decode(data, *field) for field in zip(spans, kinds, strict=True))
        ids, sources, ages = (string_column(*field, np.diff(field[1]) > 0) for field in others)
        names = with_names(ids, rows.lines[good], Origin(self._file, self.path, self.name))
        return Parsed(Documents(names, texts, bounds, sources, ages), rejects)

    def _reject(self, rows: Rows, k: int, columns: I64, settings: Settings) -> Reject:
        """Say what is wrong with a record."""
        raw = rows.data[rows.bounds[k] : rows.bounds[k + 1]]
        error = (
            complaint_of_bytes(raw)
            or f"field {settings.text!r} is missing: the record ends before field {columns[0] + 1}"
        )
        return Reject(self._file, int(rows.lines[k]), self.path, error, raw.rstrip(b"\r\n"))

    def edit(self, chunk: Chunk, cuts: Sequence[Cut], rejected: frozenset[int], settings: Settings) -> Edited:
        """Cut spans out of the text fields, and records."""
        rows: Rows = chunk.data
        editor = Editor(self.name, rows.data)
        if chunk.damage:
            editor.remove(0, len(rows.data), -1)
            return editor.finish()
        if rows.header is None or (not any(cuts) and not rejected):
            return Edited([(self.name, rows.data)], [])
        bad = np.isin(rows.lines, list(rejected))
        places = np.flatnonzero(~bad & ~rows.blank())  # of the documents
        docs = {int(places[doc]): doc for doc, cut in enumerate(cuts) if cut}
        data = np.frombuffer(rows.data, np.uint8)
        changed = np.array(sorted({*docs, *np.flatnonzero(bad).tolist()}))
        starts, ends = rows.bounds[changed], rows.bounds[changed + 1]
        columns = find_columns(rows.header, settings, self.path)[:1]
        (spans,), (kinds,) = fields_of(data, starts, ends, columns, rows.header.separator)
        for k, place in enumerate(changed.tolist()):
            doc = docs.get(place, -1)
            cut = cuts[doc] if doc >= 0 else True
            if isinstance(cut, bool) or cut is None:
                editor.remove(int(starts[k]), int(ends[k]), doc)
            else:
                record = rows.data[starts[k] : ends[k]].rstrip(b"\r\n")
                cut_field(editor, data, spans[k], kinds[k], cut, doc, alone=len(record) == spans[k, 1] - spans[k, 0])
        return editor.finish()


class Tabbed(Delimited):
    """A file of text delimited by tabs."""

    stdin_name = "stdin.tsv"
    tabs = True


class RowReader:
    """Takes the bytes of a file, piece by piece; gives its records.

    Args:
        stream: of the file.
        separator: byte between fields.
        path: what to call it in messages.
    """

    def __init__(self, stream: Decompressed, separator: int, path: str) -> None:
        self._stream = stream
        self._separator = separator
        self._path = path
        self._header: Header | None = None
        self._open_marks = 0
        self._held: list[bytes] = []  # the next record, as far as it was read
        self._size = 0
        self._state: I64 = np.zeros(STATES, np.int64)
        self._start_at(1)
        if stream.peek(len(BOM)) == BOM:
            self._held.append(stream.read(len(BOM)))
            self._size = self._state[DONE] = len(BOM)

    def _start_at(self, line: int) -> None:
        """Begin a record in a line of the file; nothing is held any more."""
        self._held, self._size = [], 0
        self._state[:] = 0
        self._state[LINE] = line

    @property
    def line(self) -> int:
        """Line of the file in which the next record begins."""
        return int(self._state[LINE])

    def rows(self, size: int) -> Iterator[tuple[Rows, str | None]]:
        """Read runs of records of about ``size`` bytes; with a record that cannot be read comes what is wrong with it.

        Raises:
            InputError: the header is no UTF-8, or a record has no end.
        """
        while True:
            piece = self._stream.read(size)
            if piece:
                found = self._feed(piece)
                if found is not None:
                    yield found, None
                if self._size <= LONGEST:
                    continue
            elif self._stream.damage:
                yield self._whole(), self._stream.damage
                return
            elif not self._size:
                return
            if self._state[MODE] == IN_QUOTES:
                yield self._unclosed(ended=not piece)
            elif piece:
                raise InputError(
                    f"a record does not end within {LONGEST >> 20} MB: is this delimited text?", self._path, self.line
                )
            else:
                rows, line = self._whole(), self.line
                yield self._named(rows), None
                self._start_at(line)

    def _feed(self, piece: bytes) -> Rows | None:
        """Take the next piece; return the records that are complete by it."""
        ends, lines = find_rows(np.frombuffer(piece, np.uint8), self._separator, self._state)
        if not ends.size:
            self._held.append(piece)
            self._size += len(piece)
            return None
        last = int(ends[-1])
        data = b"".join([*self._held, memoryview(piece)[:last]])
        bounds = np.concatenate([[0], ends + self._size])
        self._held, self._size = [piece[last:]], len(piece) - last
        return self._named(Rows(data, bounds, lines, self._header))

    def _whole(self) -> Rows:
        """Return what is held as one record."""
        return Rows(b"".join(self._held), np.array([0, self._size]), np.array([self.line]), self._header)

    def _named(self, rows: Rows) -> Rows:
        """Take the header from the first records, if it was not yet read."""
        first = 0
        while self._header is None and first < rows.lines.size:
            raw = rows.data[rows.bounds[first] : rows.bounds[first + 1]].removeprefix(BOM).rstrip(b"\r\n")
            if raw:
                self._header = Header(
                    read_names(raw, self._separator, self._path, int(rows.lines[first])), self._separator
                )
            first += 1
        return Rows(rows.data, rows.bounds[first:], rows.lines[first:], self._header)

    def _unclosed(self, *, ended: bool) -> tuple[Rows, str]:
        """Return a record in which a quotation mark is not closed, up to the next line that is a record by itself."""
        rows = self._whole()
        opened, raw = int(self._state[OPENED]), np.frombuffer(rows.data, np.uint8)
        line = self.line + count_lines(rows.data[:opened])
        where = "before the file ends" if ended else f"within {LONGEST >> 20} MB"
        message = f"the quotation mark that opens a field in line {line} is not closed {where}"
        columns, fresh = len(self._header.names) if self._header else 0, -1
        if columns > 1 and self._open_marks < MOST_OPEN:
            fresh = find_fresh_row(raw, opened, self._separator, columns, ended)
        if fresh < 0 and not (ended and self._header):
            raise InputError(f"{message}: mend it, or double it where it is part of the text", self._path, line)
        self._open_marks += 1
        if fresh >= 0:
            self._stream.give_back(rows.data[fresh:])
            rows = rows._replace(data=rows.data[:fresh])
        self._start_at(self.line + count_lines(rows.data))
        return rows, message


def fields_of(data: U8, starts: I64, ends: I64, columns: I64, separator: int) -> tuple[I64, U8]:
    """Find some fields of records: int64[columns, n, 2], uint8[columns, n], see ``find_fields``."""
    spans = np.empty((columns.size, starts.size, 2), np.int64)
    kinds = np.empty((columns.size, starts.size), np.uint8)
    find_fields(data, starts, ends, columns, separator, spans, kinds)
    return spans, kinds


def decode(data: U8, spans: I64, kinds: U8) -> tuple[U8, I64]:
    """Decode ``n`` fields: their UTF-8, int64[n + 1] where each begins."""
    out = np.empty(int((spans[:, 1] - spans[:, 0]).sum()) + STRIDE, np.uint8)
    bounds = np.empty(kinds.size + 1, np.int64)
    decode_fields(data, spans, kinds, out, bounds)
    out.flags.writeable = False  # as the texts of other formats are: kernels are compiled for each kind of array
    return out[: bounds[-1]], bounds


def cut_field(
    editor: Editor, data: U8, span: I64, kind: int, cut: Sequence[tuple[int, int]], doc: int, *, alone: bool
) -> None:
    """Cut spans out of a field.

    What is left of a field without quotation marks is put in them where it would not be read as it stands: where it
    begins with one, or where nothing is left of a record. So is what is left where text follows the closing mark.

    Args:
        editor: of the chunk.
        data: uint8, the chunk.
        span: int64[2], where the field stands.
        kind: see ``find_fields``.
        cut: what to cut, in bytes of the decoded text.
        doc: number of the document.
        alone: whether the record has no other field.
    """
    start, end = span.tolist()
    if kind == QUOTED:
        editor.cut(start, edges_in_quotes(data[start:end], cut), doc)
        return
    text, _ = decode(data, span.reshape(1, 2), np.array([kind], np.uint8))
    edges = itertools.pairwise([0, *itertools.chain(*cut), text.size])
    left = b"".join(text[a:b].tobytes() for a, b in itertools.islice(edges, 0, None, 2))
    if kind == PLAIN and not left.startswith(MARK) and (left or not alone):
        editor.cut(start, cut, doc)
    else:
        editor.replace(start, end, MARK + left.replace(MARK, 2 * MARK) + MARK, doc, len(cut))


def edges_in_quotes(literal: U8, cut: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where spans of a field's text stand in its literal."""
    marks = np.flatnonzero(literal[1:-1] == MARK[0])[::2]
    marks -= np.arange(marks.size)  # where they stand in the text
    edges = np.array(cut, np.int64)
    found: list[tuple[int, int]] = (1 + edges + np.searchsorted(marks, edges)).tolist()
    return found


def count_lines(data: bytes) -> int:
    """Count the line ends, CRLF as one."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
